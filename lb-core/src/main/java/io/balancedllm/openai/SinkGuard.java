/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/**
 * Keeps the grammar of a sink when one thread reads and any other may end: calls are serial, one terminal call, nothing
 * after it. The end of another thread is delivered by that thread when the sink is idle, else by the reader as soon as
 * the sink returns; nobody waits. Thread-safe.
 */
final class SinkGuard {
    private static final Consumer<GenerationSink> IDLE = new Mark();
    private static final Consumer<GenerationSink> BUSY = new Mark();
    private static final Consumer<GenerationSink> ENDED = new Mark();

    private final GenerationSink sink;
    /** IDLE, BUSY, ENDED, or the terminal call the reader is to make when it comes back from the sink. */
    private final AtomicReference<Consumer<GenerationSink>> state = new AtomicReference<>(IDLE);

    SinkGuard(GenerationSink sink) {
        this.sink = sink;
    }

    boolean accepted(ResponseInfo info) {
        return deliver(target -> target.accepted(info));
    }

    boolean report(EngineReport report) {
        return deliver(target -> target.report(report));
    }

    boolean alive() {
        return deliver(GenerationSink::alive);
    }

    boolean chunk(CompletionChunk chunk) {
        return deliver(target -> target.chunk(chunk));
    }

    boolean completed() {
        return end(GenerationSink::completed);
    }

    boolean failed(LlmException cause) {
        return end(target -> target.failed(cause));
    }

    boolean cancelled() {
        return end(GenerationSink::cancelled);
    }

    boolean hasEnded() {
        Consumer<GenerationSink> now = state.get();
        return now != IDLE && now != BUSY;
    }

    /** Reader only. {@return whether the sink takes more} */
    private boolean deliver(Consumer<GenerationSink> call) {
        if (!state.compareAndSet(IDLE, BUSY)) {
            return false;
        }
        try {
            call.accept(sink);
        } finally {
            if (!state.compareAndSet(BUSY, IDLE)) {
                state.getAndSet(ENDED).accept(sink);
            }
        }
        return !hasEnded();
    }

    /** Any thread. {@return whether this is the end} */
    private boolean end(Consumer<GenerationSink> terminal) {
        while (true) {
            if (state.compareAndSet(IDLE, ENDED)) {
                terminal.accept(sink);
                return true;
            }
            if (state.compareAndSet(BUSY, terminal)) {
                return true;
            }
            if (hasEnded()) {
                return false;
            }
        }
    }

    /** A state that is no call. Lambdas would not do: they need not be distinct objects. */
    private static final class Mark implements Consumer<GenerationSink> {
        @Override
        public void accept(GenerationSink sink) {
            throw new IllegalStateException("a mark is no call");
        }
    }
}
