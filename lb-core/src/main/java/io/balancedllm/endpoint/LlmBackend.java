/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * Something that answers requests: a remote server, a model in this process, a fake. The one interface to implement for
 * a new kind of endpoint; extend the contract kit of {@code lb-testkit} to test it.
 *
 * <p>Thread-safe. A backend answers attempts; it neither retries nor counts nor limits what the balancer limits. The
 * timer of connecting is its own business, timers of first token, idle streams and the whole call are the balancer's.
 */
public interface LlmBackend extends AutoCloseable {
    /**
     * Starts an attempt and returns at once. Never throws and never blocks: everything that goes wrong, also what is
     * wrong at once, goes to the sink. The sink may be called before this method returns.
     *
     * @param attempt what to do
     * @param sink where to put the answer; until the first {@link Generation#request} it gets no chunk
     * @return the handle to ask for chunks and to cancel
     */
    Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink);

    /**
     * Asks whether the backend is alive, without a generation: a busy backend is healthy. The stage completes with a
     * result in every case, within about the timeout, never exceptionally.
     *
     * @param timeout when to give up and say so
     */
    CompletionStage<ProbeResult> probe(Duration timeout);

    /**
     * Asks what the engine says about its load and size, without a generation. Returns at once; the stage completes
     * within about the timeout, never exceptionally, and with nothing when the engine tells nothing: absent is never
     * zero. The default tells nothing.
     *
     * @param timeout when to give up
     */
    default CompletionStage<Optional<EngineReport>> report(Duration timeout) {
        return CompletableFuture.completedFuture(Optional.empty());
    }

    /**
     * Turns texts into vectors. The stage fails with an {@link LlmException}; cancelling its future ends the work. The
     * default fails with {@link LlmException.Reason#UNSUPPORTED}.
     *
     * @param attempt what to do
     */
    default CompletionStage<Embeddings> embed(Attempt<EmbeddingRequest> attempt) {
        return CompletableFuture.failedFuture(
                new LlmException(LlmException.Reason.UNSUPPORTED, getClass().getSimpleName() + " makes no embeddings"));
    }

    /**
     * Tells a listener from now on which blocks of prompts this backend's prefix cache holds, what is there already
     * first. The default tells nothing.
     *
     * @param listener called from the backend's own thread
     * @return ends the telling, from any thread and more than once; empty where the backend tells nothing
     */
    default Optional<Runnable> tellKvEvents(KvListener listener) {
        return Optional.empty();
    }

    /** {@return what is known about this backend; read at each change of the pool, so it may change over time} */
    default BackendTraits traits() {
        return BackendTraits.UNKNOWN;
    }

    /** Fails what is running and frees what is held. Idempotent, never throws, may wait for its own threads. */
    @Override
    void close();
}
