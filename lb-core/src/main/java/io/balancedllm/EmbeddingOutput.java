/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** Waits for the vectors of an embedding request. */
final class EmbeddingOutput implements Output {
    private final CompletableFuture<Embeddings> future = new CompletableFuture<>();
    private @Nullable Embeddings embeddings;

    CompletableFuture<Embeddings> future() {
        return future;
    }

    @Override
    public int initialDemand() {
        return Integer.MAX_VALUE;
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        throw new IllegalStateException("an embedding request got a chunk");
    }

    @Override
    public void embeddings(Embeddings embeddings) {
        this.embeddings = embeddings;
    }

    @Override
    public boolean discard() {
        embeddings = null;
        return true;
    }

    @Override
    public String partialText() {
        return "";
    }

    @Override
    public Runnable completed(DecisionRecord decision) {
        Embeddings vectors = embeddings;
        if (vectors == null) {
            throw new IllegalStateException("an embedding request completed without vectors");
        }
        return () -> future.complete(vectors.withDecision(decision));
    }

    @Override
    public void failed(LlmException failure, DecisionRecord decision) {
        future.completeExceptionally(failure);
    }
}
