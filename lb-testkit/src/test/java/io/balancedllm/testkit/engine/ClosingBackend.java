/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import java.time.Duration;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;

/** Does as another backend does, and counts how often it is closed. */
class ClosingBackend implements LlmBackend {
    private final LlmBackend backend;
    private final AtomicInteger closes = new AtomicInteger();

    ClosingBackend(LlmBackend backend) {
        this.backend = backend;
    }

    int closes() {
        return closes.get();
    }

    @Override
    public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
        return backend.start(attempt, sink);
    }

    @Override
    public CompletionStage<ProbeResult> probe(Duration timeout) {
        return backend.probe(timeout);
    }

    @Override
    public BackendTraits traits() {
        return backend.traits();
    }

    @Override
    public void close() {
        closes.incrementAndGet();
        backend.close();
    }
}
