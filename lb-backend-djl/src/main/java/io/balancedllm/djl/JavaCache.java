/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.Arrays;

/**
 * Keys and values on the Java heap, in rows that {@link JavaOps} can run along: keys have the position as the fastest
 * dimension, [layer][width][capacity], values are [layer][head][capacity][head width].
 */
final class JavaCache implements Kernel.KvCache {
    private final int heads;
    private final int headWidth;
    private final float[][][] keys;
    private final float[][][][] values;
    private int length;

    JavaCache(Gpt2Config config, int layers, int capacity) {
        heads = config.heads();
        headWidth = config.headWidth();
        keys = new float[layers][config.width()][capacity];
        values = new float[layers][heads][capacity][headWidth];
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
        float[] block = new float[keys.length * 2 * heads * tokens * headWidth];
        int next = 0;
        for (int layer = 0; layer < keys.length; layer++) {
            for (int head = 0; head < heads; head++) {
                for (int token = from; token < from + tokens; token++) {
                    for (int d = head * headWidth; d < (head + 1) * headWidth; d++) {
                        block[next++] = keys[layer][d][token];
                    }
                }
            }
            for (int head = 0; head < heads; head++) {
                for (int token = from; token < from + tokens; token++) {
                    System.arraycopy(values[layer][head][token], 0, block, next, headWidth);
                    next += headWidth;
                }
            }
        }
        return new Block(tokens, block);
    }

    @Override
    public void append(Kernel.KvBlock saved) {
        float[] block = saved.floats();
        int end = length + saved.tokens();
        int next = 0;
        for (int layer = 0; layer < keys.length; layer++) {
            for (int head = 0; head < heads; head++) {
                for (int token = length; token < end; token++) {
                    for (int d = head * headWidth; d < (head + 1) * headWidth; d++) {
                        keys[layer][d][token] = block[next++];
                    }
                }
            }
            for (int head = 0; head < heads; head++) {
                for (int token = length; token < end; token++) {
                    System.arraycopy(block, next, values[layer][head][token], 0, headWidth);
                    next += headWidth;
                }
            }
        }
        length = end;
    }

    @Override
    public void close() {
        // Nothing outside of the heap.
    }

    /** Keeps the key and the value that lie behind a query. */
    void store(int layer, int position, float[] queryKeyValue) {
        float[][] into = keys[layer];
        int width = into.length;
        for (int d = 0; d < width; d++) {
            into[d][position] = queryKeyValue[width + d];
        }
        for (int head = 0; head < heads; head++) {
            int start = 2 * width + head * headWidth;
            System.arraycopy(queryKeyValue, start, values[layer][head][position], 0, headWidth);
        }
    }

    void grow(int tokens) {
        length += tokens;
    }

    /** Attends with a query to all positions before {@code known}; the arrays for scores and sums are overwritten. */
    void attend(int layer, int known, float scale, float[] query, Scratch scratch, float[] result) {
        for (int head = 0; head < heads; head++) {
            int offset = head * headWidth;
            float[] scores = scratch.scores;
            Arrays.fill(scores, 0, known, 0);
            JavaOps.addScaledRows(query, offset, keys[layer], offset, offset + headWidth, scores, known);
            JavaOps.softmax(scores, known, scale);
            Arrays.fill(scratch.sum, 0);
            JavaOps.addScaledRows(scores, 0, values[layer][head], 0, known, scratch.sum, headWidth);
            System.arraycopy(scratch.sum, 0, result, offset, headWidth);
        }
    }

    /** What attention writes over, for any cache of a model. */
    static final class Scratch {
        private final float[] scores;
        private final float[] sum;

        Scratch(Gpt2Config config) {
            scores = new float[config.contextLength()];
            sum = new float[config.headWidth()];
        }
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Block(int tokens, float[] floats) implements Kernel.KvBlock {
        @Override
        public void close() {
            // Nothing outside of the heap.
        }
    }
}
