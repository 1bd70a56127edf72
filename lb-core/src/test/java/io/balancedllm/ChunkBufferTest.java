/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Role;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ChunkBufferTest {
    private static final CompletionChunk ROLE =
            CompletionChunk.Delta.builder(0).role(Role.ASSISTANT).build();
    private static final DecisionRecord DECISION = new DecisionRecord(
            "c", "p", "e", List.of(), List.of(), Duration.ZERO, null, Duration.ZERO, CacheOutcome.Bypass.OFF);

    private final List<String> changes = new ArrayList<>();
    private final List<Integer> asked = new ArrayList<>();
    private final ChunkBuffer buffer = new ChunkBuffer(() -> changes.add("change"));

    ChunkBufferTest() {
        buffer.demand(asked::add);
    }

    private static CompletionChunk text(String text) {
        return CompletionChunk.text(0, text);
    }

    @Test
    @DisplayName("B7: what comes before the first output is shown together with it, and can be taken back until then")
    void chunksWithoutOutputStayHidden() {
        buffer.chunk(ROLE);
        assertThat(buffer.poll()).isNull();
        assertThat(buffer.discard()).isTrue();

        buffer.chunk(ROLE);
        CompletionChunk once = text("Once");
        buffer.chunk(once);
        assertThat(buffer.poll()).isEqualTo(ROLE);
        assertThat(buffer.discard()).as("the role was read").isFalse();
        assertThat(buffer.poll()).isEqualTo(once);
        assertThat(buffer.poll()).isNull();
    }

    @Test
    @DisplayName("B9: what was seen by nobody is taken back whole, what was read stays")
    void discardIsAllOrNothing() {
        buffer.chunk(text("lost"));
        assertThat(buffer.partialText()).isEqualTo("lost");
        assertThat(buffer.discard()).isTrue();
        assertThat(buffer.partialText()).isEmpty();
        assertThat(buffer.poll()).isNull();

        buffer.chunk(text("kept"));
        buffer.chunk(text(" too"));
        buffer.poll();
        assertThat(buffer.discard()).isFalse();
        assertThat(buffer.partialText()).isEqualTo("kept too");
        assertThat(buffer.poll()).isNotNull();
    }

    @Test
    @DisplayName("A8: half a window is asked for when half a window was read, so no more than a window is ever held")
    void readingAsksForMore() {
        for (int i = 0; i < buffer.initialDemand(); i++) {
            buffer.chunk(text("x"));
        }
        for (int i = 0; i < ChunkBuffer.WINDOW / 2 - 1; i++) {
            buffer.poll();
        }
        assertThat(asked).isEmpty();
        buffer.poll();
        assertThat(asked).containsExactly(ChunkBuffer.WINDOW / 2);
        while (buffer.poll() != null) {
            // to the end
        }
        assertThat(asked).containsExactly(ChunkBuffer.WINDOW / 2, ChunkBuffer.WINDOW / 2);
    }

    @Test
    void aWindowFullOfChunksWithoutOutputIsShownElseItWouldStall() {
        for (int i = 0; i < ChunkBuffer.WINDOW; i++) {
            buffer.chunk(ROLE);
        }

        assertThat(buffer.poll()).isEqualTo(ROLE);
    }

    @Test
    void theEndComesAfterTheLastChunk() throws InterruptedException {
        buffer.chunk(CompletionChunk.finish(0, FinishReason.STOP));
        assertThat(buffer.decision()).isNull();

        buffer.completed(DECISION).run();

        assertThat(buffer.exhausted()).isFalse();
        assertThat(buffer.take()).isNotNull();
        assertThat(buffer.take()).isNull();
        assertThat(buffer.exhausted()).isTrue();
        assertThat(buffer.failure()).isNull();
        assertThat(buffer.decision()).isEqualTo(DECISION);
        assertThat(changes).hasSize(2);
    }

    @Test
    void aReaderThatWaitsGetsTheChunkThenTheFailure() {
        LlmException failure = new LlmException(Reason.TRUNCATED, "cut");
        CompletableFuture<List<Object>> read = new CompletableFuture<>();
        new Thread(() -> {
                    List<Object> seen = new ArrayList<>();
                    try {
                        for (CompletionChunk chunk = buffer.take(); chunk != null; chunk = buffer.take()) {
                            seen.add(chunk.text());
                        }
                        read.complete(seen);
                    } catch (InterruptedException e) {
                        read.completeExceptionally(e);
                    }
                })
                .start();

        buffer.chunk(ROLE);
        buffer.chunk(text("Once"));
        buffer.failed(failure, DECISION);

        assertThat(read.join()).containsExactly("", "Once");
        assertThat(buffer.failure()).isSameAs(failure);
    }
}
