/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Takes the vectors of an embedding request. The future completes off the engine thread: what follows it is the user's. */
final class VectorSink implements GenerationSink {
    private final CompletableFuture<Embeddings> future;
    private final String model;

    VectorSink(CompletableFuture<Embeddings> future, String model) {
        this.future = future;
        this.model = model;
    }

    /** Lets it compute, until the future is cancelled. */
    void generation(Generation generation) {
        generation.request(Integer.MAX_VALUE);
        CompletableFuture<Embeddings> unused = future.whenComplete((vectors, failure) -> {
            if (future.isCancelled()) {
                generation.cancel();
            }
        });
    }

    void vectors(List<float[]> vectors, Usage usage) {
        Embeddings embeddings = new Embeddings(model, vectors, usage, Map.of());
        CompletableFuture<Embeddings> unused = future.completeAsync(() -> embeddings);
    }

    @Override
    public void accepted(ResponseInfo info) {
        // The vectors come all at once.
    }

    @Override
    public void alive() {
        // Nobody times an embedding by signs of life.
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        throw new IllegalStateException("a chunk of an embedding");
    }

    @Override
    public void completed() {
        // The vectors came before.
    }

    @Override
    public void failed(LlmException cause) {
        CompletableFuture<Embeddings> unused = future.completeAsync(() -> {
            throw cause;
        });
    }

    @Override
    public void cancelled() {
        failed(new LlmException(Reason.CANCELLED, "the embedding was cancelled"));
    }
}
