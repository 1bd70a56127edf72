/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.testkit.MockResponse;
import io.balancedllm.testkit.RecordingSink;
import io.balancedllm.testkit.ServedRequest;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What time does to streams: virtual time in the balancer, real sockets below. */
class StreamTimeTest extends LoopbackTest {
    private static final MockResponse STORY = MockResponse.chat("Once", " upon");

    @ParameterizedTest
    @ValueSource(strings = {"before the head", "behind the head", "behind the role"})
    @DisplayName("B3: a stall before the first token ends with it, and the connection with the attempt")
    void aStallBeforeTheFirstTokenTimesOut(String where) throws Exception {
        first.enqueue(
                switch (where) {
                    case "before the head" -> STORY.stallHead();
                    case "behind the head" -> MockResponse.sse().stall();
                    default -> STORY.cutAfter(1).stall();
                });
        CompletableFuture<Completion> call = once.completeAsync(CHAT);
        ServedRequest request = first.takeRequest(PATIENCE);
        request.awaitStalled(PATIENCE);
        firstTap.awaitEvents(where.equals("behind the role") ? 1 : 0, PATIENCE);
        time.awaitTimer("first token", PATIENCE);
        time.advance(BalancedLlm.DEFAULT_FIRST_TOKEN_TIMEOUT.minusNanos(1));
        assertThat(call).isNotDone();
        time.advance(Duration.ofNanos(1));
        assertThat(failureOf(call).reason()).isEqualTo(Reason.TIMEOUT);
        request.awaitCancelled(PATIENCE);
    }

    @Test
    @DisplayName("B3: a stall in the middle ends with the idle timeout, and the connection with the attempt")
    void aStallInTheMiddleTimesOut() throws Exception {
        first.enqueue(STORY.cutBefore(" upon").stall());
        CompletableFuture<Completion> call = once.completeAsync(CHAT);
        ServedRequest request = first.takeRequest(PATIENCE);
        request.awaitStalled(PATIENCE);
        time.awaitTimer("idle", PATIENCE);
        time.advance(BalancedLlm.DEFAULT_IDLE_TIMEOUT.minusNanos(1));
        assertThat(call).isNotDone();
        time.advance(Duration.ofNanos(1));
        LlmException failure = failureOf(call);
        assertThat(failure.reason()).isEqualTo(Reason.TIMEOUT);
        assertThat(failure.partialText()).isEqualTo("Once");
        request.awaitCancelled(PATIENCE);
    }

    @Test
    @DisplayName("B3: a collected call goes elsewhere after a stall")
    void aCollectedCallGoesElsewhereAfterAStall() throws Exception {
        first.enqueue(STORY.cutBefore(" upon").stall());
        second.enqueue(STORY);
        CompletableFuture<Completion> call = llm.completeAsync(CHAT);
        time.awaitTimer("idle", PATIENCE);
        time.advance(BalancedLlm.DEFAULT_IDLE_TIMEOUT);
        assertThat(call.get(20, TimeUnit.SECONDS).text()).isEqualTo("Once upon");
        first.takeRequest(PATIENCE).awaitCancelled(PATIENCE);
    }

    @Test
    @DisplayName("B3: the call's own timeout closes the connection, whatever phase it is in")
    void theCallsTimeoutClosesTheConnection() throws Exception {
        first.enqueue(STORY.stallHead());
        CompletableFuture<Completion> call = llm.with(
                        CallOptions.builder().timeout(Duration.ofSeconds(3)).build())
                .completeAsync(CHAT);
        ServedRequest request = first.takeRequest(PATIENCE);
        request.awaitStalled(PATIENCE);
        time.advance(Duration.ofSeconds(3));
        assertThat(failureOf(call).reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
        request.awaitCancelled(PATIENCE);
        assertThat(second.requestCount()).isZero();
    }

    @Test
    @DisplayName("B6: keep-alive comments are no token: the first-token timer goes on")
    void commentsDoNotHoldTheFirstTokenTimer() throws Exception {
        first.enqueue(
                MockResponse.sse().comment("alive").stall().comment("alive").stall());
        CompletableFuture<Completion> call = once.completeAsync(CHAT);
        ServedRequest request = first.takeRequest(PATIENCE);
        firstTap.awaitEvents(1, PATIENCE);
        request.awaitStalled(PATIENCE);
        time.advance(BalancedLlm.DEFAULT_FIRST_TOKEN_TIMEOUT.minusNanos(1));
        first.release();
        firstTap.awaitEvents(1, PATIENCE);
        assertThat(call).isNotDone();
        time.advance(Duration.ofNanos(1));
        assertThat(failureOf(call).reason()).isEqualTo(Reason.TIMEOUT);
        request.awaitCancelled(PATIENCE);
    }

    @Test
    @DisplayName("B6: keep-alive comments hold the idle timer")
    void commentsHoldTheIdleTimer() throws Exception {
        MockResponse slow = STORY.cutBefore(" upon").stall();
        for (int comment = 0; comment < 10; comment++) {
            slow = slow.comment("alive").stall();
        }
        first.enqueue(slow);
        CompletableFuture<Completion> call = once.completeAsync(CHAT);
        ServedRequest request = first.takeRequest(PATIENCE);
        firstTap.awaitEvents(2, PATIENCE); // the role and the first word
        for (int comment = 0; comment < 10; comment++) {
            request.awaitStalled(PATIENCE);
            time.advance(BalancedLlm.DEFAULT_IDLE_TIMEOUT.minusNanos(1));
            first.release();
            firstTap.awaitEvents(1, PATIENCE);
        }
        assertThat(call).isNotDone();
        time.advance(BalancedLlm.DEFAULT_IDLE_TIMEOUT);
        assertThat(failureOf(call).reason()).isEqualTo(Reason.TIMEOUT);
    }

    @Test
    @DisplayName("B6: a comment on the wire is a sign of life, and no chunk")
    void aCommentOnTheWireIsASignOfLife() {
        first.enqueue(MockResponse.sse().comment("keep-alive").comment("").then(STORY));
        try (OpenAiBackend backend = OpenAiBackend.at(first.url())) {
            RecordingSink sink = RecordingSink.start(backend, CHAT);
            sink.requestAll();
            assertThat(sink.awaitEnd(PATIENCE)).isEqualTo(RecordingSink.Signal.COMPLETED);
            assertThat(sink.signals())
                    .startsWith(RecordingSink.Signal.ACCEPTED, RecordingSink.Signal.ALIVE)
                    .contains(RecordingSink.Signal.CHUNK);
            assertThat(sink.text()).isEqualTo("Once upon");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
                "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}",
                "{\"choices\":[{\"index\":0,\"delta\":{\"content\":null}}]}",
                "{\"choices\":[{\"index\":0,\"delta\":{}}]}",
                "{\"choices\":[]}",
                "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":0,\"total_tokens\":1}}"
            })
    @DisplayName("B7: the first token is the first output, not the first event")
    void theFirstTokenIsTheFirstOutput(String empty) throws Exception {
        first.enqueue(MockResponse.sse().data(empty).stall().then(STORY));
        CompletableFuture<Completion> call = once.completeAsync(CHAT);
        firstTap.awaitEvents(1, PATIENCE);
        first.takeRequest(PATIENCE).awaitStalled(PATIENCE);
        time.advance(Duration.ofSeconds(5));
        first.release();
        Completion completion = call.get(20, TimeUnit.SECONDS);
        assertThat(completion.text()).isEqualTo("Once upon");
        assertThat(completion.decision().orElseThrow().timeToFirstToken()).contains(Duration.ofSeconds(5));
    }

    private static LlmException failureOf(CompletableFuture<?> call) throws Exception {
        try {
            Object answer = call.get(20, TimeUnit.SECONDS);
            throw new AssertionError("a failure was expected, got " + answer);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof LlmException failure) {
                return failure;
            }
            throw e;
        }
    }
}
