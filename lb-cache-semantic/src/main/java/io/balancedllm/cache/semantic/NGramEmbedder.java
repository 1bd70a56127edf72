/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Hashed runs of three to five characters, weighted by the logarithm of their count. Sees letters, not meaning. */
final class NGramEmbedder implements Embedder {
    /** Few enough to be stored, enough to keep most runs apart. */
    static final int DIMENSION = 1_024;

    static final double THRESHOLD = 0.9;

    private static final int SHORTEST = 3;
    private static final int LONGEST = 5;
    private static final int MAX_CHARS = 4_096;
    private static final int FNV_START = 0x811c9dc5;
    private static final int FNV_PRIME = 16_777_619;

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        try {
            return CompletableFuture.completedStage(
                    texts.stream().map(NGramEmbedder::embed).toList());
        } catch (IllegalArgumentException e) {
            return CompletableFuture.failedStage(e);
        }
    }

    private static Embedding embed(String text) {
        boolean truncated = text.length() > MAX_CHARS;
        String seen = truncated ? text.substring(0, MAX_CHARS) : text;
        String plain = ' '
                + seen.toLowerCase(Locale.ROOT)
                        .replaceAll("[^\\p{L}\\p{N}]+", " ")
                        .strip()
                + ' ';
        Map<Integer, Integer> counts = new HashMap<>();
        for (int length = SHORTEST; length <= LONGEST; length++) {
            for (int start = 0; start + length <= plain.length(); start++) {
                counts.merge(hash(plain, start, start + length), 1, Integer::sum);
            }
        }
        float[] vector = new float[DIMENSION];
        counts.forEach((hash, count) ->
                vector[(hash >>> 1) % DIMENSION] += ((hash & 1) == 0 ? 1 : -1) * (float) (1 + Math.log(count)));
        return Embedding.of(vector, truncated);
    }

    private static int hash(String text, int from, int to) {
        int hash = FNV_START;
        for (int i = from; i < to; i++) {
            hash = (hash ^ text.charAt(i)) * FNV_PRIME;
        }
        hash = (hash ^ (hash >>> 15)) * 0x85ebca6b;
        return hash ^ (hash >>> 13);
    }

    @Override
    public int dimension() {
        return DIMENSION;
    }

    @Override
    public String id() {
        return "ngram-3-5/" + DIMENSION;
    }

    @Override
    public double threshold() {
        return THRESHOLD;
    }
}
