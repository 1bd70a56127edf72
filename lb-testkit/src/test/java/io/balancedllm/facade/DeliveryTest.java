/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.testkit.MockResponse;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What was handed to the caller is never handed over twice. */
class DeliveryTest extends LoopbackTest {
    private static final MockResponse DIES =
            MockResponse.chat("Once", " upon").cutBefore(" upon").reset();
    private static final MockResponse OTHER = MockResponse.chat("Another", " story");

    @Test
    @DisplayName("B9: a stream that broke behind its first chunk is not begun anew elsewhere")
    void aStreamThatDeliveredIsNotRepeated() {
        first.enqueue(
                MockResponse.chat("Once", " upon").cutBefore(" upon").stall().reset());
        second.enqueue(OTHER);
        try (CompletionStream stream = llm.stream(CHAT)) {
            assertThat(nextText(stream)).isEqualTo("Once");
            first.takeRequest(PATIENCE).awaitStalled(PATIENCE);
            first.release();
            LlmException failure = failureOf(() -> nextText(stream));
            assertThat(failure.reason()).isEqualTo(Reason.TRUNCATED);
            assertThat(failure.partialText()).isEqualTo("Once");
            assertThat(failure.attempts()).hasSize(1);
        }
        assertThat(second.requestCount()).isZero();
    }

    @Test
    @DisplayName("B9: a stream nobody has read from yet moves on, and reads as if nothing had been")
    void aStreamNobodyReadMovesOn() {
        first.enqueue(DIES);
        second.enqueue(OTHER);
        try (CompletionStream stream = llm.stream(CHAT)) {
            second.takeRequest(PATIENCE);
            assertThat(stream.completion().text()).isEqualTo("Another story");
            assertThat(stream.decision().orElseThrow().attempts())
                    .extracting(AttemptSummary::endpoint)
                    .containsExactly("first", "second");
        }
    }

    @Test
    @DisplayName("B9: a collected call delivers nothing before its end, so it survives, with the text once")
    void aCollectedCallSurvivesWithTheTextOnce() throws Exception {
        first.enqueue(DIES);
        second.enqueue(OTHER);
        CompletableFuture<Completion> call = llm.completeAsync(CHAT);
        Completion completion = call.get(20, TimeUnit.SECONDS);
        assertThat(completion.text()).isEqualTo("Another story");
        assertThat(completion.decision().orElseThrow().attempts()).hasSize(2);
        assertThat(first.requestCount()).isEqualTo(1);
        assertThat(second.requestCount()).isEqualTo(1);
    }

    @Test
    @DisplayName("B9: role and keep-alives are not content: a stream that broke behind them moves on")
    void aRoleIsNotContent() {
        first.enqueue(MockResponse.sse()
                .comment("keep-alive")
                .then(MockResponse.chat("x").cutAfter(1))
                .reset());
        second.enqueue(OTHER);
        try (CompletionStream stream = llm.stream(CHAT)) {
            assertThat(nextText(stream)).isEqualTo("Another");
            assertThat(nextText(stream)).isEqualTo(" story");
        }
    }

    @Test
    @DisplayName("B9: attempts end at three, and the failure tells them all")
    void attemptsEndAtThree() {
        first.dispatch(request -> DIES);
        second.dispatch(request -> DIES);
        CompletableFuture<Completion> call = llm.completeAsync(CHAT);
        time.awaitTimer("back-off"); // both were tried: it goes back to one only after a pause
        time.advance(RetryPolicy.DEFAULT_LONGEST_BACKOFF);
        LlmException failure = failureOf(() -> {
            try {
                call.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            } catch (ExecutionException e) {
                throw e.getCause();
            }
        });
        assertThat(failure.reason()).isEqualTo(Reason.TRUNCATED);
        assertThat(failure.attempts()).hasSize(3);
        assertThat(first.requestCount() + second.requestCount()).isEqualTo(3);
    }
}
