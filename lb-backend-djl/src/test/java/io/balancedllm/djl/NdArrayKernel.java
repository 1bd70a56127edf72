/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.core.Embedding;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.LayerNorm;
import ai.djl.pytorch.jni.JniUtils;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * GPT-2 on the public NDArray operations of DJL, fp32 on PyTorch. Tokens of all sequences lie in one matrix,
 * [tokens, width]: linear layers run once, attention once per sequence on its own keys and values,
 * [layers, 2, heads, capacity, head width].
 *
 * <p>Every array of a step belongs to the step's own manager and scope; nothing native outlives it but the caches. An
 * expression never starts from a weight, because its result would belong to the weight's manager.
 */
final class NdArrayKernel implements Kernel {
    private final Gpt2Config config;
    private final Checkpoint checkpoint;
    private final LayerRange range;
    private final NDManager manager;
    private final NDArray tokenEmbedding;
    private final NDArray positionEmbedding;
    private final Layer[] layers;
    private final Norm finalNorm;
    private final NDArray output;

    NdArrayKernel(Gpt2Config config, Checkpoint checkpoint, LayerRange range, int threads) {
        this.config = config;
        this.checkpoint = checkpoint;
        this.range = range;
        manager = TorchRuntime.open(new TorchRuntime.Place(Device.cpu(), Precision.FP32, threads));
        tokenEmbedding = array(checkpoint.tensor("wte.weight"));
        positionEmbedding = array(checkpoint.tensor("wpe.weight"));
        layers = new Layer[range.size()];
        for (int i = 0; i < layers.length; i++) {
            layers[i] = new Layer(checkpoint, range.from() + i);
        }
        finalNorm = new Norm(checkpoint, "ln_f");
        output = config.tiedOutput() ? tokenEmbedding : array(checkpoint.output());
    }

    @Override
    public KvCache allocate(int tokens) {
        Shape shape = new Shape(range.size(), 2, config.heads(), tokens, config.headWidth());
        return new Cache(manager.zeros(shape));
    }

    @Override
    public float[][] step(List<Slice> slices) {
        boolean gradients = JniUtils.isGradMode();
        JniUtils.setGradMode(false);
        try (NDManager step = manager.newSubManager();
                NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            return run(step, slices);
        } finally {
            JniUtils.setGradMode(gradients);
        }
    }

    @Override
    public String name() {
        return "NDArray";
    }

    @Override
    public String device() {
        return KernelOptions.CPU;
    }

    @Override
    public LayerRange layers() {
        return range;
    }

    @Override
    public long kvBytesPerToken() {
        return 2L * Float.BYTES * range.size() * config.width();
    }

    @Override
    public Kernel replica() {
        return new NdArrayKernel(config, checkpoint, range, 1);
    }

    @Override
    public void close() {
        manager.close();
    }

    /** {@return how many arrays live on outside of any step} */
    int managedArrays() {
        return manager.getManagedArrays().size();
    }

    private float[][] run(NDManager step, List<Slice> slices) {
        NDArray x = embed(step, slices);
        @Nullable
        NDArray[] masks = slices.stream().map(slice -> mask(step, slice)).toArray(NDArray[]::new);
        for (int i = 0; i < layers.length; i++) {
            Layer layer = layers[i];
            NDArray attended =
                    attend(step, slices, masks, i, layer.queryKeyValue.apply(layer.beforeAttention.apply(x)));
            x = x.add(layer.attentionOutput.apply(attended));
            NDArray inner = activate(layer.innerInput.apply(layer.beforeInner.apply(x)));
            x = x.add(layer.innerOutput.apply(inner));
        }
        float[][] results = range.last() ? logits(step, slices, x) : new float[slices.size()][];
        NDArray states = range.last() ? finalNorm.apply(x) : x;
        int row = 0;
        for (int i = 0; i < results.length; i++) {
            Slice slice = slices.get(i);
            int end = row + slice.tokens().length;
            if (!range.last() || slice.wanted() == Wanted.STATES) {
                results[i] =
                        states.get(step, new NDIndex().addSliceDim(row, end)).toFloatArray();
            }
            row = end;
        }
        for (Slice slice : slices) {
            ((Cache) slice.cache()).length += slice.tokens().length;
        }
        return results;
    }

    private NDArray embed(NDManager step, List<Slice> slices) {
        if (!range.first()) {
            NDList states = new NDList();
            for (Slice slice : slices) {
                float[] own = Objects.requireNonNull(slice.states());
                states.add(step.create(own, new Shape(slice.tokens().length, config.width())));
            }
            return NDArrays.concat(states, 0);
        }
        IntList tokens = new IntList();
        IntList positions = new IntList();
        for (Slice slice : slices) {
            tokens.addAll(slice.tokens());
            for (int i = 0; i < slice.tokens().length; i++) {
                positions.add(slice.cache().length() + i);
            }
        }
        NDArray x = embed(step, tokens, tokenEmbedding);
        return x.addi(embed(step, positions, positionEmbedding));
    }

    private static NDArray embed(NDManager step, IntList ids, NDArray table) {
        return Embedding.embedding(step.create(ids.toArray()), table, SparseFormat.DENSE)
                .get(0);
    }

    /** Minus infinity above the diagonal, [1, tokens, length]; a single token sees everything. */
    private static @Nullable NDArray mask(NDManager step, Slice slice) {
        int tokens = slice.tokens().length;
        if (tokens == 1) {
            return null;
        }
        int past = slice.cache().length();
        int length = past + tokens;
        float[] mask = new float[tokens * length];
        for (int row = 0; row < tokens; row++) {
            Arrays.fill(mask, row * length + past + row + 1, (row + 1) * length, Float.NEGATIVE_INFINITY);
        }
        return step.create(mask, new Shape(1, tokens, length));
    }

    private NDArray attend(
            NDManager step, List<Slice> slices, @Nullable NDArray[] masks, int layer, NDArray queryKeyValue) {
        NDList results = new NDList(slices.size());
        int offset = 0;
        for (int i = 0; i < masks.length; i++) {
            Slice slice = slices.get(i);
            int tokens = slice.tokens().length;
            NDArray own = masks.length == 1
                    ? queryKeyValue
                    : queryKeyValue.get(step, new NDIndex().addSliceDim(offset, offset + tokens));
            results.add(attend(step, (Cache) slice.cache(), masks[i], layer, tokens, own));
            offset += tokens;
        }
        return results.size() == 1 ? results.get(0) : NDArrays.concat(results, 0);
    }

    private NDArray attend(
            NDManager step, Cache cache, @Nullable NDArray mask, int layer, int tokens, NDArray queryKeyValue) {
        NDArray heads = queryKeyValue
                .reshape(tokens, 3, config.heads(), config.headWidth())
                .transpose(1, 2, 0, 3);
        int length = cache.length + tokens;
        cache.array.set(Cache.range(layer, cache.length, length), heads.get(step, new NDIndex("1:3")));
        NDArray known = cache.array.get(step, Cache.range(layer, 0, length));
        NDArray scores = heads.get(step, 0).matMul(known.get(step, 0).swapAxes(1, 2));
        scores.muli(config.attentionScale(range.from() + layer));
        if (mask != null) {
            scores.addi(mask);
        }
        return scores.softmax(-1).matMul(known.get(step, 1)).transpose(1, 0, 2).reshape(tokens, config.width());
    }

    private NDArray activate(NDArray x) {
        return switch (config.activation()) {
            case GELU_TANH -> {
                NDArray inner = x.square();
                inner.muli(Activation.GELU_SLOPE * Activation.GELU_CUBIC);
                inner.addi(Activation.GELU_SLOPE);
                inner.muli(x);
                yield ai.djl.nn.Activation.sigmoid(inner).muli(x);
            }
            case GELU_EXACT -> ai.djl.nn.Activation.gelu(x);
            case RELU -> ai.djl.nn.Activation.relu(x);
        };
    }

    private float[][] logits(NDManager step, List<Slice> slices, NDArray x) {
        float[][] logits = new float[slices.size()][0];
        IntList lastRows = new IntList();
        int row = -1;
        for (Slice slice : slices) {
            row += slice.tokens().length;
            if (slice.logitsWanted()) {
                lastRows.add(row);
            }
        }
        if (lastRows.size() == 0) {
            return logits;
        }
        NDArray last = x.get(step.create(lastRows.toArray()));
        float[] all = Linear.linear(finalNorm.apply(last), output).get(0).toFloatArray();
        int next = 0;
        for (int i = 0; i < logits.length; i++) {
            if (slices.get(i).logitsWanted()) {
                int start = next * config.vocabularySize();
                logits[i] = Arrays.copyOfRange(all, start, start + config.vocabularySize());
                next++;
            }
        }
        return logits;
    }

    private NDArray array(Tensor tensor) {
        return manager.create(tensor.floats(), new Shape(tensor.shape()));
    }

    private final class Layer {
        final Norm beforeAttention;
        final Matrix queryKeyValue;
        final Matrix attentionOutput;
        final Norm beforeInner;
        final Matrix innerInput;
        final Matrix innerOutput;

        Layer(Checkpoint checkpoint, int index) {
            String prefix = "h." + index + ".";
            beforeAttention = new Norm(checkpoint, prefix + "ln_1");
            queryKeyValue = new Matrix(checkpoint, prefix + "attn.c_attn");
            attentionOutput = new Matrix(checkpoint, prefix + "attn.c_proj");
            beforeInner = new Norm(checkpoint, prefix + "ln_2");
            innerInput = new Matrix(checkpoint, prefix + "mlp.c_fc");
            innerOutput = new Matrix(checkpoint, prefix + "mlp.c_proj");
        }
    }

    private final class Norm {
        private final NDArray gain;
        private final NDArray bias;

        Norm(Checkpoint checkpoint, String name) {
            gain = array(checkpoint.tensor(name + ".weight"));
            bias = array(checkpoint.tensor(name + ".bias"));
        }

        NDArray apply(NDArray x) {
            return LayerNorm.layerNorm(x, new Shape(config.width()), gain, bias, config.epsilon())
                    .get(0);
        }
    }

    /** A linear layer; the checkpoint's [in, out] is turned into [out, in] as a view, without a copy. */
    private final class Matrix {
        private final NDArray weights;
        private final NDArray bias;

        Matrix(Checkpoint checkpoint, String name) {
            weights = array(checkpoint.tensor(name + ".weight")).transpose();
            bias = array(checkpoint.tensor(name + ".bias"));
        }

        NDArray apply(NDArray x) {
            return Linear.linear(x, weights, bias).get(0);
        }
    }

    private static final class Cache implements KvCache {
        private final NDArray array;
        private int length;

        Cache(NDArray array) {
            this.array = array;
        }

        /** Keys and values of one layer, [2, heads, tokens, head width]. */
        static NDIndex range(int layer, int from, int to) {
            return new NDIndex()
                    .addIndices(layer)
                    .addAllDim()
                    .addAllDim()
                    .addSliceDim(from, to)
                    .addAllDim();
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
        public KvBlock save(int from, int tokens) {
            try (NDArray view = array.get(all(from, from + tokens))) {
                return new Block(view.duplicate());
            }
        }

        @Override
        public void append(KvBlock saved) {
            int tokens = saved.tokens();
            Shape shape = array.getShape();
            try (NDArray block = array.getManager()
                    .create(
                            saved.floats(),
                            new Shape(shape.get(0), shape.get(1), shape.get(2), tokens, shape.get(4)))) {
                array.set(all(length, length + tokens), block);
            }
            length += tokens;
        }

        @Override
        public void close() {
            array.close();
        }

        private static NDIndex all(int from, int to) {
            return new NDIndex().addAllDim(3).addSliceDim(from, to).addAllDim();
        }
    }

    private record Block(NDArray array) implements KvBlock {
        @Override
        public int tokens() {
            return Math.toIntExact(array.getShape().get(3));
        }

        @Override
        public float[] floats() {
            return array.toFloatArray();
        }

        @Override
        public void close() {
            array.close();
        }
    }
}
