/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.IValue;

/** Keys and values in PyTorch's memory, [layers, 2, heads, capacity, head width]. */
final class ScriptCache implements Kernel.KvCache {
    /**
     * Numbers from which on PyTorch copies with all its threads. A block copied layer by layer stays below: waiting for
     * threads that share their cores with other programs takes many times as long as copying.
     */
    private static final int THREADS_FROM = 32_768;

    private final ScriptWeights weights;
    private final PtNDArray array;
    private final IValue value;
    private int length;

    ScriptCache(ScriptWeights weights, int tokens) {
        this.weights = weights;
        try (IValue room = IValue.from((long) tokens);
                IValue cache = weights.run("cache", room, weights.sample)) {
            array = cache.toTensor(weights.manager());
        }
        value = IValue.from(array);
    }

    PtNDArray array() {
        return array;
    }

    void grow(int tokens) {
        length += tokens;
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public void truncate(int tokens) {
        length = Math.min(length, tokens);
    }

    @Override
    public Kernel.KvBlock save(int from, int tokens) {
        try (IValue start = IValue.from((long) from);
                IValue end = IValue.from((long) from + tokens);
                IValue apart = IValue.from(apart(tokens));
                IValue block = weights.run("save", value, start, end, apart)) {
            return new Block(weights, tokens, block.toTensor(weights.manager()));
        }
    }

    @Override
    public void append(Kernel.KvBlock saved) {
        if (saved instanceof Block own) {
            copy(own.array, own.tokens);
        } else {
            LayerRange range = weights.range;
            Gpt2Config config = weights.config;
            Shape shape = new Shape(range.size(), 2, config.heads(), saved.tokens(), config.headWidth());
            try (PtNDArray block = (PtNDArray) weights.manager().create(saved.floats(), shape)) {
                copy(block, saved.tokens());
            }
        }
    }

    @Override
    public void close() {
        value.close();
        array.close();
    }

    private void copy(PtNDArray block, int tokens) {
        try (IValue source = IValue.from(block);
                IValue start = IValue.from((long) length);
                IValue end = IValue.from((long) length + tokens);
                IValue apart = IValue.from(apart(tokens))) {
            weights.run("restore", value, source, start, end, apart).close();
        }
        length += tokens;
    }

    private boolean apart(int tokens) {
        return !weights.place.device().isGpu() && 2L * weights.config.width() * tokens < THREADS_FROM;
    }

    private record Block(ScriptWeights weights, int tokens, PtNDArray array) implements Kernel.KvBlock {
        @Override
        public float[] floats() {
            try (IValue block = IValue.from(array);
                    IValue floats = weights.run("floats", block);
                    PtNDArray values = floats.toTensor(weights.manager())) {
                return values.toFloatArray();
            }
        }

        @Override
        public void close() {
            array.close();
        }
    }
}
