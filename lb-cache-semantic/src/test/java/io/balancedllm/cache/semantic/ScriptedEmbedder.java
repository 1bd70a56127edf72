/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/** An embedder that says what the test says: an angle for each text, in a plane. Counts what it is asked. */
final class ScriptedEmbedder implements Embedder {
    private final Map<String, Double> degrees = new HashMap<>();
    final List<String> asked = new ArrayList<>();

    @Nullable
    RuntimeException failure;

    @Nullable
    CompletableFuture<List<Embedding>> hanging;

    boolean truncated;
    int sentDimension = 2;

    ScriptedEmbedder at(double angle, String... texts) {
        for (String text : texts) {
            degrees.put(text, angle);
        }
        return this;
    }

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        asked.addAll(texts);
        if (failure != null) {
            throw failure;
        }
        if (hanging != null) {
            return hanging;
        }
        return CompletableFuture.completedStage(texts.stream().map(this::embed).toList());
    }

    private Embedding embed(String text) {
        double angle = Math.toRadians(degrees.getOrDefault(text, 0.0));
        float[] vector = new float[sentDimension];
        vector[0] = (float) Math.cos(angle);
        vector[1] = (float) Math.sin(angle);
        return Embedding.of(vector, truncated);
    }

    @Override
    public int dimension() {
        return 2;
    }

    @Override
    public String id() {
        return "scripted/1";
    }

    @Override
    public double threshold() {
        return 0.9;
    }
}
