/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.util.List;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** What an engine answered to one request that was put to it directly, and when. */
final class Answer implements GenerationSink {
    private static final double NANOS_PER_SECOND = 1e9;

    private final VirtualTime time;
    private final double startedAt;
    int chunks;
    double firstTokenAfter = -1;
    double endedAfter = -1;
    String end = "";

    @Nullable
    Usage usage;

    private Generation generation = Generation.ENDED;

    private Answer(VirtualTime time) {
        this.time = time;
        this.startedAt = time.nanos() / NANOS_PER_SECOND;
    }

    /** Asks for everything. */
    static Answer of(SimulatedEngine engine, VirtualTime time, SimulatedPrompt prompt, int outputTokens) {
        Answer answer = pausedOf(engine, time, prompt, outputTokens);
        answer.generation().request(Integer.MAX_VALUE);
        return answer;
    }

    /** Asks for nothing yet. */
    static Answer pausedOf(SimulatedEngine engine, VirtualTime time, SimulatedPrompt prompt, int outputTokens) {
        CompletionRequest request = CompletionRequest.builder()
                .prompt("")
                .maxTokens(outputTokens)
                .extra(prompt.extra())
                .build();
        Answer answer = new Answer(time);
        answer.generation = engine.start(Attempt.of(request), answer);
        return answer;
    }

    /** {@return a prompt of this many tokens whose full blocks have the ids from {@code firstBlock} on} */
    static SimulatedPrompt prompt(int tokens, long firstBlock) {
        List<Long> blocks = LongStream.range(firstBlock, firstBlock + tokens / SimulatedPrompt.BLOCK_TOKENS)
                .boxed()
                .toList();
        return new SimulatedPrompt(tokens, blocks);
    }

    Generation generation() {
        return generation;
    }

    int cachedTokens() {
        return usage == null ? -1 : usage.cachedTokens().orElse(-1);
    }

    private double elapsed() {
        return time.nanos() / NANOS_PER_SECOND - startedAt;
    }

    private void end(String how) {
        if (!end.isEmpty()) {
            throw new AssertionError("ended twice: " + end + " and " + how);
        }
        end = how;
        endedAfter = elapsed();
    }

    @Override
    public void accepted(ResponseInfo info) {}

    @Override
    public void alive() {}

    @Override
    public void chunk(CompletionChunk chunk) {
        if (!end.isEmpty()) {
            throw new AssertionError("a chunk came after the end");
        }
        if (chunks++ == 0) {
            firstTokenAfter = elapsed();
        }
        chunk.usage().ifPresent(counts -> usage = counts);
    }

    @Override
    public void completed() {
        end("completed");
    }

    @Override
    public void failed(LlmException cause) {
        end("failed: " + cause.reason());
    }

    @Override
    public void cancelled() {
        end("cancelled");
    }
}
