/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * GPT-2 in plain Java, fp32. Every row of a batch is computed by the same operations in the same order whatever lies
 * beside it, so logits are equal bit for bit alone or in a batch, in chunks, and behind a reused prefix. A step allocates
 * its results and nothing else, once it has seen as many tokens before.
 */
final class JavaKernel implements Kernel {
    private final JavaWeights weights;
    private final Gpt2Config config;
    private final JavaCache.Scratch scratch;
    private float[][] x = {};
    private float[][] normed = {};
    private float[][] projected = {};
    private float[][] queryKeyValue = {};
    private float[][] inner = {};

    JavaKernel(Gpt2Config config, Checkpoint checkpoint, LayerRange layers) {
        this(new JavaWeights(config, checkpoint, layers));
    }

    private JavaKernel(JavaWeights weights) {
        this.weights = weights;
        this.config = weights.config;
        scratch = new JavaCache.Scratch(config);
    }

    @Override
    public KvCache allocate(int tokens) {
        return new JavaCache(config, weights.layers.length, tokens);
    }

    @Override
    public float[][] step(List<Slice> slices) {
        int rows = slices.stream().mapToInt(slice -> slice.tokens().length).sum();
        makeRoom(rows);
        begin(slices);
        for (int i = 0; i < weights.layers.length; i++) {
            JavaWeights.Layer layer = weights.layers[i];
            layer.beforeAttention.apply(x, rows, normed);
            layer.queryKeyValue.apply(normed, rows, queryKeyValue);
            attend(slices, i);
            layer.attentionOutput.apply(normed, rows, projected);
            JavaOps.add(x, projected, rows);
            layer.beforeInner.apply(x, rows, normed);
            layer.innerInput.apply(normed, rows, inner);
            JavaOps.activate(config.activation(), inner, rows);
            layer.innerOutput.apply(inner, rows, projected);
            JavaOps.add(x, projected, rows);
        }
        float[][] results = weights.range.last() ? finish(slices) : states(slices);
        for (Slice slice : slices) {
            ((JavaCache) slice.cache()).grow(slice.tokens().length);
        }
        return results;
    }

    @Override
    public String name() {
        return "plain Java";
    }

    @Override
    public String device() {
        return KernelOptions.CPU;
    }

    @Override
    public LayerRange layers() {
        return weights.range;
    }

    @Override
    public long kvBytesPerToken() {
        return 2L * Float.BYTES * weights.layers.length * config.width();
    }

    @Override
    public Kernel replica() {
        return new JavaKernel(weights);
    }

    @Override
    public void close() {
        // Nothing outside of the heap.
    }

    private void makeRoom(int rows) {
        int width = config.width();
        x = JavaOps.room(x, rows, width);
        normed = JavaOps.room(normed, rows, width);
        projected = JavaOps.room(projected, rows, width);
        queryKeyValue = JavaOps.room(queryKeyValue, rows, 3 * width);
        inner = JavaOps.room(inner, rows, config.innerWidth());
    }

    private void begin(List<Slice> slices) {
        int width = config.width();
        int row = 0;
        for (Slice slice : slices) {
            float[] states = slice.states();
            int position = slice.cache().length();
            for (int i = 0; i < slice.tokens().length; i++) {
                if (states == null) {
                    embed(slice.tokens()[i], position + i, x[row]);
                } else {
                    System.arraycopy(states, i * width, x[row], 0, width);
                }
                row++;
            }
        }
    }

    private void embed(int token, int position, float[] to) {
        float[] meaning = weights.embedding().tokens()[token];
        float[] place = weights.embedding().positions()[position];
        for (int i = 0; i < to.length; i++) {
            to[i] = meaning[i] + place[i];
        }
    }

    private void attend(List<Slice> slices, int layer) {
        float scale = config.attentionScale(weights.range.from() + layer);
        int row = 0;
        for (Slice slice : slices) {
            JavaCache cache = (JavaCache) slice.cache();
            int position = cache.length();
            for (int i = 0; i < slice.tokens().length; i++) {
                float[] query = queryKeyValue[row];
                cache.store(layer, position, query);
                position++;
                cache.attend(layer, position, scale, query, scratch, normed[row]);
                row++;
            }
        }
    }

    private float[][] states(List<Slice> slices) {
        float[][] results = new float[slices.size()][];
        int row = 0;
        for (int i = 0; i < results.length; i++) {
            int count = slices.get(i).tokens().length;
            results[i] = joined(Arrays.copyOfRange(x, row, row + count));
            row += count;
        }
        return results;
    }

    private float[][] finish(List<Slice> slices) {
        JavaWeights.Head head = weights.head();
        float[][] results = new float[slices.size()][0];
        List<float[]> logits = new ArrayList<>();
        int row = 0;
        for (int i = 0; i < results.length; i++) {
            int end = row + slices.get(i).tokens().length;
            if (slices.get(i).wanted() == Wanted.STATES) {
                float[][] rows = Arrays.copyOfRange(x, row, end);
                head.norm().apply(rows, rows.length, rows);
                results[i] = joined(rows);
            } else if (slices.get(i).wanted() == Wanted.LOGITS) {
                head.norm().apply(x[end - 1], normed[logits.size()]);
                results[i] = new float[config.vocabularySize()];
                logits.add(results[i]);
            }
            row = end;
        }
        head.output().apply(normed, logits.size(), logits.toArray(float[][]::new));
        return results;
    }

    private float[] joined(float[][] rows) {
        float[] all = new float[rows.length * config.width()];
        for (int row = 0; row < rows.length; row++) {
            System.arraycopy(rows[row], 0, all, row * config.width(), config.width());
        }
        return all;
    }
}
