/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import java.util.ArrayDeque;
import java.util.Queue;

/** One request in a simulated engine. Its numbers are the {@link Batch}'s, which alone changes them. */
final class Sequence implements Generation {
    private static final CompletionChunk FIRST_TOKEN = CompletionChunk.text(0, "first");

    private final Batch batch;
    private final GenerationSink sink;
    private final Queue<CompletionChunk> unsent = new ArrayDeque<>(2);
    private int allowance;
    private boolean finished;
    private boolean told;

    final PromptShape prompt;
    final int promptTokens;
    final int outputTokens;

    /** The blocks it shares with others, by position; 0 where it computes or keeps a copy of its own. */
    final int[] shared;
    /** Blocks reserved for it alone. */
    int privateBlocks;
    /** Blocks found in the cache on admission. */
    int hitBlocks;
    /** Blocks offered to the cache so far, the hits included. */
    int publishedBlocks;
    /** Prompt tokens that are in the cache or computed. */
    int computedTokens;
    /** Prompt tokens the running step computes. */
    int chunk;
    /** Number of the decode step that makes the last token. */
    long lastStep;
    /** Its turn among the sequences of its engine that have begun to decode. */
    long turn;

    boolean cancelled;

    Sequence(Batch batch, PromptShape prompt, int outputTokens, GenerationSink sink) {
        this.batch = batch;
        this.sink = sink;
        this.prompt = prompt;
        this.promptTokens = prompt.tokens;
        this.outputTokens = outputTokens;
        this.shared = new int[prompt.blocks.length];
    }

    /** {@return blocks for prompt and answer} */
    int blocks() {
        return (promptTokens + outputTokens + SimulatedPrompt.BLOCK_TOKENS - 1) / SimulatedPrompt.BLOCK_TOKENS;
    }

    boolean hasFirstToken() {
        return computedTokens >= promptTokens;
    }

    int cachedTokens() {
        return hitBlocks * SimulatedPrompt.BLOCK_TOKENS;
    }

    void tellFirstToken() {
        unsent.add(FIRST_TOKEN);
        send();
    }

    void tellEnd() {
        unsent.add(CompletionChunk.Delta.builder(0)
                .content(" last")
                .finishReason(FinishReason.LENGTH)
                .usage(Usage.builder(promptTokens, outputTokens)
                        .cachedTokens(cachedTokens())
                        .build())
                .build());
        finished = true;
        send();
    }

    void tellCancelled() {
        if (!told) {
            told = true;
            unsent.clear();
            sink.cancelled();
        }
    }

    void tellFailed(LlmException cause) {
        if (!told) {
            told = true;
            unsent.clear();
            sink.failed(cause);
        }
    }

    @Override
    public void request(int chunks) {
        allowance = (int) Math.min(Integer.MAX_VALUE, (long) allowance + chunks);
        send();
    }

    @Override
    public void cancel() {
        if (!told) {
            batch.cancel(this);
        }
    }

    private void send() {
        while (allowance > 0 && !unsent.isEmpty()) {
            if (allowance != Integer.MAX_VALUE) {
                allowance--;
            }
            sink.chunk(unsent.remove());
        }
        if (finished && unsent.isEmpty() && !told) {
            told = true;
            sink.completed();
        }
    }
}
