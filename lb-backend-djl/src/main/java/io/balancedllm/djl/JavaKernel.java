/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.djl.JavaOps.Linear;
import io.balancedllm.djl.JavaOps.Norm;
import java.util.Arrays;
import java.util.List;

/**
 * GPT-2 in plain Java, fp32. Every row of a batch is computed by the same operations in the same order whatever lies
 * beside it, so logits are equal bit for bit alone or in a batch, in chunks, and behind a reused prefix.
 *
 * <p>Keys are stored with the position as the fastest dimension, [width, capacity], so that the scores of one query run
 * along contiguous memory; values are [capacity, width]. Both inner loops are sums over vectors, which the JIT compiler
 * turns into vector instructions; it does not do so with dot products.
 */
final class JavaKernel implements Kernel {
    private final Gpt2Config config;
    private final float[] tokenEmbedding;
    private final float[] positionEmbedding;
    private final Layer[] layers;
    private final Norm finalNorm;
    private final Linear output;

    JavaKernel(Gpt2Config config, Checkpoint checkpoint) {
        this.config = config;
        tokenEmbedding = checkpoint.tensor("wte.weight").floats();
        positionEmbedding = checkpoint.tensor("wpe.weight").floats();
        layers = new Layer[config.layers()];
        for (int i = 0; i < layers.length; i++) {
            layers[i] = new Layer(config, checkpoint, i);
        }
        finalNorm = new Norm(checkpoint, "ln_f", config.epsilon());
        output = Linear.transposed(checkpoint.output());
    }

    @Override
    public KvCache allocate(int tokens) {
        return new Cache(config, tokens);
    }

    @Override
    public float[][] step(List<Slice> slices) {
        int rows = slices.stream().mapToInt(slice -> slice.tokens().length).sum();
        float[][] x = embed(slices, rows);
        float[][] normed = new float[rows][config.width()];
        float[][] projected = new float[rows][config.width()];
        float[][] queryKeyValue = new float[rows][3 * config.width()];
        float[][] inner = new float[rows][config.innerWidth()];
        for (int i = 0; i < layers.length; i++) {
            Layer layer = layers[i];
            layer.beforeAttention.apply(x, normed);
            layer.queryKeyValue.apply(normed, queryKeyValue);
            attend(slices, i, queryKeyValue, normed);
            layer.attentionOutput.apply(normed, projected);
            JavaOps.add(x, projected);
            layer.beforeInner.apply(x, normed);
            layer.innerInput.apply(normed, inner);
            JavaOps.activate(config.activation(), inner);
            layer.innerOutput.apply(inner, projected);
            JavaOps.add(x, projected);
        }
        for (Slice slice : slices) {
            Cache cache = (Cache) slice.cache();
            cache.length += slice.tokens().length;
        }
        return logits(slices, x);
    }

    @Override
    public String name() {
        return "plain Java";
    }

    @Override
    public void close() {
        // Nothing outside of the heap.
    }

    private float[][] embed(List<Slice> slices, int rows) {
        int width = config.width();
        float[][] x = new float[rows][width];
        int row = 0;
        for (Slice slice : slices) {
            int position = slice.cache().length();
            for (int token : slice.tokens()) {
                for (int i = 0; i < width; i++) {
                    x[row][i] = tokenEmbedding[token * width + i] + positionEmbedding[position * width + i];
                }
                row++;
                position++;
            }
        }
        return x;
    }

    private void attend(List<Slice> slices, int layer, float[][] queryKeyValue, float[][] result) {
        float scale = config.attentionScale(layer);
        int row = 0;
        for (Slice slice : slices) {
            Cache cache = (Cache) slice.cache();
            for (int i = 0; i < slice.tokens().length; i++) {
                int position = cache.length + i;
                cache.store(layer, position, queryKeyValue[row]);
                attendRow(cache, layer, position, scale, queryKeyValue[row], result[row]);
                row++;
            }
        }
    }

    private void attendRow(Cache cache, int layer, int position, float scale, float[] query, float[] result) {
        int headWidth = config.headWidth();
        float[] scores = new float[position + 1];
        Arrays.fill(result, 0);
        for (int head = 0; head < config.heads(); head++) {
            int offset = head * headWidth;
            Arrays.fill(scores, 0);
            for (int d = offset; d < offset + headWidth; d++) {
                JavaOps.addScaled(scores, query[d], cache.keys[layer], d * cache.capacity, position + 1);
            }
            JavaOps.softmax(scores, scale);
            JavaOps.weightedSum(scores, cache.values[layer], offset, config.width(), result, headWidth);
        }
    }

    private float[][] logits(List<Slice> slices, float[][] x) {
        float[][] logits = new float[slices.size()][0];
        int wanted = (int) slices.stream().filter(Slice::logitsWanted).count();
        float[][] last = new float[wanted][];
        float[][] results = new float[wanted][config.vocabularySize()];
        int row = -1;
        int next = 0;
        for (int i = 0; i < slices.size(); i++) {
            row += slices.get(i).tokens().length;
            if (slices.get(i).logitsWanted()) {
                last[next] = x[row];
                logits[i] = results[next];
                next++;
            }
        }
        finalNorm.apply(last, last);
        output.apply(last, results);
        return logits;
    }

    private static final class Layer {
        final Norm beforeAttention;
        final Linear queryKeyValue;
        final Linear attentionOutput;
        final Norm beforeInner;
        final Linear innerInput;
        final Linear innerOutput;

        Layer(Gpt2Config config, Checkpoint checkpoint, int index) {
            String prefix = "h." + index + ".";
            beforeAttention = new Norm(checkpoint, prefix + "ln_1", config.epsilon());
            queryKeyValue = new Linear(checkpoint, prefix + "attn.c_attn");
            attentionOutput = new Linear(checkpoint, prefix + "attn.c_proj");
            beforeInner = new Norm(checkpoint, prefix + "ln_2", config.epsilon());
            innerInput = new Linear(checkpoint, prefix + "mlp.c_fc");
            innerOutput = new Linear(checkpoint, prefix + "mlp.c_proj");
        }
    }

    private static final class Cache implements KvCache {
        private final int width;
        private final int capacity;
        private final float[][] keys;
        private final float[][] values;
        private int length;

        Cache(Gpt2Config config, int capacity) {
            this.width = config.width();
            this.capacity = capacity;
            keys = new float[config.layers()][capacity * width];
            values = new float[config.layers()][capacity * width];
        }

        @Override
        public int length() {
            return length;
        }

        @Override
        public KvBlock save(int from, int tokens) {
            Block block = new Block(new float[keys.length][tokens * width], new float[keys.length][tokens * width]);
            for (int layer = 0; layer < keys.length; layer++) {
                for (int d = 0; d < width; d++) {
                    System.arraycopy(keys[layer], d * capacity + from, block.keys[layer], d * tokens, tokens);
                }
                System.arraycopy(values[layer], from * width, block.values[layer], 0, tokens * width);
            }
            return block;
        }

        @Override
        public void append(KvBlock saved) {
            Block block = (Block) saved;
            int tokens = block.keys[0].length / width;
            for (int layer = 0; layer < keys.length; layer++) {
                for (int d = 0; d < width; d++) {
                    System.arraycopy(block.keys[layer], d * tokens, keys[layer], d * capacity + length, tokens);
                }
                System.arraycopy(block.values[layer], 0, values[layer], length * width, tokens * width);
            }
            length += tokens;
        }

        @Override
        public void close() {
            // Nothing outside of the heap.
        }

        void store(int layer, int position, float[] queryKeyValue) {
            for (int d = 0; d < width; d++) {
                keys[layer][d * capacity + position] = queryKeyValue[width + d];
            }
            System.arraycopy(queryKeyValue, 2 * width, values[layer], position * width, width);
        }
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Block(float[][] keys, float[][] values) implements KvBlock {
        @Override
        public void close() {
            // Nothing outside of the heap.
        }
    }
}
