/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ResponseInfo;
import java.time.Duration;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Tells when the balancer has been given a chunk or a sign of life, so that a test moves the clock behind it. */
final class TappedBackend implements LlmBackend {
    private final LlmBackend delegate;
    private final Semaphore events = new Semaphore(0);

    TappedBackend(LlmBackend delegate) {
        this.delegate = delegate;
    }

    /** Waits until this many more chunks and signs of life have been handed over. */
    void awaitEvents(int count, Duration patience) throws InterruptedException {
        if (!events.tryAcquire(count, patience.toMillis(), TimeUnit.MILLISECONDS)) {
            throw new AssertionError(count + " events did not come within " + patience);
        }
    }

    @Override
    public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
        return delegate.start(attempt, new GenerationSink() {
            @Override
            public void accepted(ResponseInfo info) {
                sink.accepted(info);
            }

            @Override
            public void alive() {
                sink.alive();
                events.release();
            }

            @Override
            public void chunk(CompletionChunk chunk) {
                sink.chunk(chunk);
                events.release();
            }

            @Override
            public void completed() {
                sink.completed();
            }

            @Override
            public void failed(LlmException cause) {
                sink.failed(cause);
            }

            @Override
            public void cancelled() {
                sink.cancelled();
            }
        });
    }

    @Override
    public CompletionStage<ProbeResult> probe(Duration timeout) {
        return delegate.probe(timeout);
    }

    @Override
    public CompletionStage<Embeddings> embed(Attempt<EmbeddingRequest> attempt) {
        return delegate.embed(attempt);
    }

    @Override
    public BackendTraits traits() {
        return delegate.traits();
    }

    @Override
    public void close() {
        delegate.close();
    }
}
