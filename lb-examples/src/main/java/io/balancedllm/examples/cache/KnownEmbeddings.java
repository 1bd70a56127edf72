/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.cache;

import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.time.Ticker;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;

/** Embeds each text once, one at a time, and knows how long that took. Not thread-safe. */
final class KnownEmbeddings implements Embedder {
    private final Embedder embedder;
    private final Ticker ticker;
    private final Map<String, Embedding> embeddings = new HashMap<>();
    private final Map<String, Long> nanos = new HashMap<>();

    KnownEmbeddings(Embedder embedder, Ticker ticker) {
        this.embedder = embedder;
        this.ticker = ticker;
    }

    Embedding of(String text) {
        Embedding known = embeddings.get(text);
        if (known != null) {
            return known;
        }
        try {
            long start = ticker.nanos();
            Embedding embedding =
                    embedder.embed(List.of(text)).toCompletableFuture().join().get(0);
            nanos.put(text, ticker.nanos() - start);
            embeddings.put(text, embedding);
            return embedding;
        } catch (CompletionException e) {
            throw new Failure("the embedder failed: " + e.getCause(), e);
        }
    }

    /** {@return how long the embedding of a text took} */
    long nanos(String text) {
        return nanos.getOrDefault(text, 0L);
    }

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        return CompletableFuture.completedStage(texts.stream().map(this::of).toList());
    }

    @Override
    public int dimension() {
        return embedder.dimension();
    }

    @Override
    public String id() {
        return embedder.id();
    }

    @Override
    public double threshold() {
        return embedder.threshold();
    }
}
