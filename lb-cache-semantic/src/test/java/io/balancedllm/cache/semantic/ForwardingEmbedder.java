/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import java.util.List;
import java.util.concurrent.CompletionStage;

/** An embedder that does something before another one embeds. */
abstract class ForwardingEmbedder implements Embedder {
    private final Embedder embedder;

    ForwardingEmbedder(Embedder embedder) {
        this.embedder = embedder;
    }

    abstract void before();

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        before();
        return embedder.embed(texts);
    }

    @Override
    public int dimension() {
        return embedder.dimension();
    }

    @Override
    public String id() {
        return embedder.id();
    }
}
