/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** An embedder whose vectors are as long as MiniLM's and mean nothing: drawn, for each text always the same. */
record DrawnVectors() implements Embedder {
    static final int DIMENSION = 384;

    static Embedding draw(Random random) {
        float[] vector = new float[DIMENSION];
        for (int i = 0; i < DIMENSION; i++) {
            vector[i] = (float) random.nextGaussian();
        }
        return Embedding.of(vector, false);
    }

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        return CompletableFuture.completedStage(
                texts.stream().map(text -> draw(new Random(text.hashCode()))).toList());
    }

    @Override
    public int dimension() {
        return DIMENSION;
    }

    @Override
    public String id() {
        return "drawn";
    }
}
