/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.util.concurrent.atomic.AtomicLong;

/**
 * One request in a {@link SimulatedBackend}: what is computed of its prompt, and what it still has to say to whom. Its
 * reader asks and cancels on any thread; all the rest happens on the scheduler's.
 */
final class SimulatedSequence implements Generation {
    private final GenerationSink sink;
    private final Runnable wake;
    private final int outputTokens;
    private final AtomicLong demand = new AtomicLong();
    final int promptTokens;
    final long[] blockHashes;
    /** Blocks reserved for it alone, and prompt tokens found in the memory. */
    int reserved;

    int cachedTokens;
    int computed;
    /** Prompt tokens of the step that is under way. */
    int chunk;

    private int tokens;
    private volatile boolean cancelled;
    private volatile boolean over;

    SimulatedSequence(String prompt, int outputTokens, GenerationSink sink, Runnable wake) {
        this.sink = sink;
        this.wake = wake;
        this.outputTokens = Math.max(1, outputTokens);
        this.promptTokens =
                Math.max(1, (prompt.length() + SimulatedBackend.TOKEN_CHARS - 1) / SimulatedBackend.TOKEN_CHARS);
        this.blockHashes = SimulatedMemory.hashes(prompt);
    }

    int blocks() {
        return (promptTokens + outputTokens + SimulatedBackend.BLOCK_TOKENS - 1) / SimulatedBackend.BLOCK_TOKENS;
    }

    boolean isPrefilled() {
        return computed >= promptTokens;
    }

    boolean isAskedFor() {
        return demand.get() > 0;
    }

    boolean isOver() {
        if (cancelled && !over) {
            end(sink::cancelled);
        }
        return over;
    }

    void accepted() {
        sink.accepted(ResponseInfo.IN_PROCESS);
    }

    void token() {
        tokens++;
        demand.decrementAndGet();
        if (tokens < outputTokens) {
            sink.chunk(CompletionChunk.text(0, " " + tokens));
            return;
        }
        sink.chunk(CompletionChunk.Delta.builder(0)
                .content(" " + tokens)
                .finishReason(FinishReason.LENGTH)
                .usage(Usage.builder(promptTokens, tokens)
                        .cachedTokens(cachedTokens)
                        .build())
                .build());
        end(sink::completed);
    }

    void fail(LlmException failure) {
        end(() -> sink.failed(failure));
    }

    private void end(Runnable terminal) {
        if (!over) {
            over = true;
            terminal.run();
        }
    }

    @Override
    public void request(int chunks) {
        demand.addAndGet(chunks);
        wake.run();
    }

    @Override
    public void cancel() {
        cancelled = true;
        wake.run();
    }
}
