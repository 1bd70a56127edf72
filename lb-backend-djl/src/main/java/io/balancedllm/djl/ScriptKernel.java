/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.JniUtils;
import io.balancedllm.completion.LlmException;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * GPT-2 as one TorchScript method, made by {@link ScriptSource}: one native call a step, with fused attention and
 * activation. What a step allocates natively is freed when it ends.
 */
final class ScriptKernel implements Kernel {
    private final ScriptWeights weights;
    private final Gpt2Config config;
    private boolean closed;

    /**
     * Loads a kernel.
     *
     * @throws EngineException where PyTorch lacks an operation or has too little memory
     * @throws InvalidModelException where PyTorch or the device is missing
     */
    ScriptKernel(
            Gpt2Config config,
            Checkpoint checkpoint,
            LayerRange range,
            ScriptLinears linears,
            TorchRuntime.Place place) {
        this(TorchRuntime.computing(() -> new ScriptWeights(config, checkpoint, range, linears, place)));
    }

    private ScriptKernel(ScriptWeights weights) {
        this.weights = weights;
        this.config = weights.config;
    }

    @Override
    public KvCache allocate(int tokens) {
        try {
            return new ScriptCache(weights, tokens);
        } catch (EngineException e) {
            throw translated(e);
        }
    }

    @Override
    public float[][] step(List<Slice> slices) {
        float[][] results;
        try {
            results = TorchRuntime.computing(() -> run(slices));
        } catch (EngineException e) {
            throw translated(e);
        }
        for (Slice slice : slices) {
            ((ScriptCache) slice.cache()).grow(slice.tokens().length);
        }
        return results;
    }

    @Override
    public String name() {
        return weights.linears.title();
    }

    @Override
    public String device() {
        return weights.place.name();
    }

    @Override
    public LayerRange layers() {
        return weights.range;
    }

    @Override
    public long kvBytesPerToken() {
        return 2L * weights.place.bytes() * weights.range.size() * config.width();
    }

    @Override
    public Kernel replica() {
        return new ScriptKernel(weights.share());
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            weights.release();
        }
    }

    /** {@return how many arrays live on outside of any step} */
    int managedArrays() {
        return weights.manager().getManagedArrays().size();
    }

    private float[][] run(List<Slice> slices) {
        try (Step step = new Step(weights.manager().newSubManager())) {
            step.addInput(slices);
            return weights.range.last() ? finish(step, slices) : states(step, slices);
        }
    }

    private float[][] states(Step step, List<Slice> slices) {
        PtNDArray states = step.run("states");
        float[][] results = new float[slices.size()][];
        for (int i = 0; i < results.length; i++) {
            results[i] = new float[slices.get(i).tokens().length * config.width()];
        }
        read(states, results);
        return results;
    }

    private float[][] finish(Step step, List<Slice> slices) {
        float[][] results = new float[slices.size()][0];
        List<float[]> logits = new ArrayList<>();
        int[] last = new int[slices.size()];
        int row = -1;
        boolean whole = false;
        for (int i = 0; i < results.length; i++) {
            row += slices.get(i).tokens().length;
            if (slices.get(i).wanted() == Wanted.LOGITS) {
                results[i] = new float[config.vocabularySize()];
                last[logits.size()] = row;
                logits.add(results[i]);
            }
            whole |= slices.get(i).wanted() == Wanted.STATES;
        }
        int[] rows = Arrays.copyOf(last, logits.size());
        if (!whole && rows.length > 0) {
            read(step.run("step", step.add(rows)), logits.toArray(float[][]::new));
            return results;
        }
        PtNDArray states = step.run("states");
        if (rows.length > 0) {
            IValue input = step.add(states);
            PtNDArray all =
                    step.tensor(weights.run("finish", weights.vectors, weights.matrices, input, step.add(rows)));
            read(all, logits.toArray(float[][]::new));
        }
        if (whole) {
            readFinalStates(step, states, slices, results);
        }
        return results;
    }

    private void readFinalStates(Step step, PtNDArray states, List<Slice> slices, float[][] results) {
        float[] all = step.tensor(weights.run("final", weights.vectors, step.add(states)))
                .toFloatArray();
        int start = 0;
        for (int i = 0; i < results.length; i++) {
            int end = start + slices.get(i).tokens().length * config.width();
            if (slices.get(i).wanted() == Wanted.STATES) {
                results[i] = Arrays.copyOfRange(all, start, end);
            }
            start = end;
        }
    }

    private void read(PtNDArray array, float[][] rows) {
        FloatBuffer values = weights.place.device().isGpu()
                ? FloatBuffer.wrap(array.toFloatArray())
                : JniUtils.getByteBuffer(array, true)
                        .order(ByteOrder.nativeOrder())
                        .asFloatBuffer();
        for (float[] row : rows) {
            values.get(row);
        }
    }

    private RuntimeException translated(EngineException e) {
        String message = String.valueOf(e.getMessage());
        if (!message.contains("out of memory") && !message.contains("can't allocate memory")) {
            return e;
        }
        return LlmException.builder(
                        LlmException.Reason.OVERLOADED,
                        device() + " is out of memory: lower the number of sequences or tokens held at a time")
                .cause(e)
                .build();
    }

    /** The arguments and results of one step; closing it frees them. */
    private final class Step implements AutoCloseable {
        private final PtNDManager manager;
        private final List<IValue> values = new ArrayList<>();
        private IValue[] arguments = {};

        Step(NDManager manager) {
            this.manager = (PtNDManager) manager;
        }

        IValue add(IValue value) {
            values.add(value);
            return value;
        }

        IValue add(PtNDArray array) {
            return add(IValue.from(array));
        }

        IValue add(int[] numbers) {
            return add((PtNDArray) manager.create(numbers));
        }

        PtNDArray tensor(IValue value) {
            return add(value).toTensor(manager);
        }

        void addInput(List<Slice> slices) {
            PtNDArray[] caches = new PtNDArray[slices.size()];
            long[] counts = new long[caches.length];
            long[] known = new long[caches.length];
            IntList tokens = new IntList();
            IntList positions = new IntList();
            for (int i = 0; i < caches.length; i++) {
                Slice slice = slices.get(i);
                ScriptCache cache = (ScriptCache) slice.cache();
                caches[i] = cache.array();
                counts[i] = slice.tokens().length;
                known[i] = cache.length();
                tokens.addAll(slice.tokens());
                for (int j = 0; j < slice.tokens().length; j++) {
                    positions.add(cache.length() + j);
                }
            }
            arguments = new IValue[] {
                weights.vectors,
                weights.matrices,
                add(IValue.listFrom(caches)),
                weights.range.first() ? add(tokens.toArray()) : add(states(slices, tokens.size())),
                add(positions.toArray()),
                add(IValue.listFrom(counts)),
                add(IValue.listFrom(known))
            };
        }

        PtNDArray run(String method, IValue... more) {
            IValue[] all = Arrays.copyOf(arguments, arguments.length + more.length);
            System.arraycopy(more, 0, all, arguments.length, more.length);
            return tensor(weights.run(method, all));
        }

        private PtNDArray states(List<Slice> slices, int rows) {
            FloatBuffer all = FloatBuffer.allocate(rows * config.width());
            for (Slice slice : slices) {
                float[] states = slice.states();
                if (states == null) {
                    throw new IllegalArgumentException("layers " + weights.range + " take states, not tokens");
                }
                all.put(states);
            }
            return (PtNDArray) manager.create(all.array(), new Shape(rows, config.width()));
        }

        @Override
        public void close() {
            values.forEach(IValue::close);
            manager.close();
        }
    }
}
