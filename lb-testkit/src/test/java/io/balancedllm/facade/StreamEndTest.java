/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Usage;
import io.balancedllm.testkit.MockResponse;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** When a stream counts as complete, and when not. */
class StreamEndTest extends LoopbackTest {
    private static final MockResponse STORY = MockResponse.chat("Once", " upon", " a", " time");
    private static final MockResponse HALF = STORY.cutBefore(" a\"");

    private static final Map<String, MockResponse> TRUNCATIONS = Map.of(
            "clean end", HALF,
            "end of connection", HALF.hangUp(),
            "reset", HALF.reset(),
            "end without length", HALF.untilClose(),
            "only done", MockResponse.sse().done());

    @ParameterizedTest
    @ValueSource(strings = {"clean end", "end of connection", "reset", "end without length"})
    @DisplayName("B1: a truncated stream is a truncation that carries the text so far")
    void aTruncatedStreamFailsWithTheTextSoFar(String how) {
        first.enqueue(TRUNCATIONS.getOrDefault(how, HALF));
        LlmException failure = failureOf(() -> once.complete(CHAT));
        assertThat(failure.reason()).isEqualTo(Reason.TRUNCATED);
        assertThat(failure.retryable()).isTrue();
        if (!how.equals("reset")) { // a reset may overtake what was sent before it
            assertThat(failure.partialText()).isEqualTo("Once upon");
        }
        assertThat(failure.attempts()).extracting(AttemptSummary::endpoint).containsExactly("first");
    }

    @ParameterizedTest
    @ValueSource(strings = {"clean end", "end of connection", "reset", "end without length", "only done"})
    @DisplayName("B1: a collected call outlives a truncated stream")
    void aCollectedCallGoesToAnotherEndpointAfterATruncation(String how) {
        first.enqueue(TRUNCATIONS.getOrDefault(how, HALF));
        second.enqueue(STORY);
        Completion completion = llm.complete(CHAT);
        assertThat(completion.text()).isEqualTo("Once upon a time");
        assertThat(completion.decision().orElseThrow().attempts())
                .extracting(AttemptSummary::failure)
                .containsExactly(Optional.of(Reason.TRUNCATED), Optional.empty());
    }

    @Test
    @DisplayName("B1: a reader of a truncated stream gets its chunks, then the failure")
    void aReaderGetsTheChunksBeforeTheTruncation() {
        first.enqueue(HALF.stall());
        try (CompletionStream stream = llm.stream(CHAT)) {
            assertThat(nextText(stream)).isEqualTo("Once");
            assertThat(nextText(stream)).isEqualTo(" upon");
            first.takeRequest(PATIENCE).awaitStalled(PATIENCE);
            first.release();
            LlmException failure = failureOf(() -> nextText(stream));
            assertThat(failure.reason()).isEqualTo(Reason.TRUNCATED);
            assertThat(failure.partialText()).isEqualTo("Once upon");
        }
        assertThat(second.requestCount()).isZero();
    }

    @Test
    @DisplayName("B2: a finish reason makes an answer complete, with or without [DONE]")
    void aFinishReasonIsEnough() {
        first.enqueue(STORY.cutBefore("[DONE]"));
        second.enqueue(STORY.cutBefore("[DONE]").untilClose());
        assertThat(once.complete(CHAT).text()).isEqualTo("Once upon a time");
        assertThat(once.complete(CHAT).text()).isEqualTo("Once upon a time");
        assertThat(llm.statistics().failed()).isZero();
    }

    @Test
    @DisplayName("B2: with several choices each needs its finish reason")
    void everyChoiceNeedsItsFinishReason() {
        String start = "{\"choices\":[{\"index\":%d,\"delta\":{\"content\":\"x\"},\"finish_reason\":%s}]}";
        first.enqueue(MockResponse.sse()
                .data(start.formatted(0, "null"))
                .data(start.formatted(1, "null"))
                .data(start.formatted(0, "\"stop\"")));
        LlmException failure =
                failureOf(() -> once.complete(CHAT.newBuilder().n(2).build()));
        assertThat(failure.reason()).isEqualTo(Reason.TRUNCATED);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @DisplayName("B4: an error inside a stream is an error, though the status was 200")
    void anErrorInTheStreamIsAnError(boolean named) {
        first.enqueue(
                named
                        ? HALF.event(
                                        "error",
                                        "{\"error\":{\"message\":\"engine died\",\"type\":\"internal\",\"code\":500}}")
                                .done()
                        : HALF.inBandError("engine died", "internal").done());
        LlmException failure = failureOf(() -> once.complete(CHAT));
        assertThat(failure.reason()).isEqualTo(Reason.SERVER_ERROR);
        assertThat(failure).hasMessageContaining("engine died");
        assertThat(failure.partialText()).isEqualTo("Once upon");
    }

    @Test
    @DisplayName("B4: an error inside a stream is retried while nothing was delivered")
    void anErrorBeforeTheFirstChunkIsRetried() {
        first.enqueue(STORY.cutBefore("Once").inBandError("engine died", "internal"));
        second.enqueue(STORY);
        try (CompletionStream stream = llm.stream(CHAT)) {
            assertThat(stream.completion().text()).isEqualTo("Once upon a time");
            assertThat(stream.decision().orElseThrow().attempts()).hasSize(2);
        }
    }

    @Test
    @DisplayName("B4: an error inside a stream that blames the request is not retried")
    void anErrorThatBlamesTheRequestIsFinal() {
        first.enqueue(MockResponse.sse()
                .data("{\"error\":{\"message\":\"temperature is bad\",\"type\":\"BadRequestError\",\"code\":400}}"));
        LlmException failure = failureOf(() -> llm.complete(CHAT));
        assertThat(failure.reason()).isEqualTo(Reason.INVALID_REQUEST);
        assertThat(second.requestCount()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"choices\":[", "not json", "[1,2]"})
    @DisplayName("B5: a malformed event fails the attempt at once; nothing behind it passes for an answer")
    void aMalformedEventFailsTheAttempt(String nonsense) {
        first.enqueue(HALF.data(nonsense).then(STORY).stall());
        LlmException failure = failureOf(() -> once.complete(CHAT));
        assertThat(failure.reason()).isEqualTo(Reason.PROTOCOL_ERROR);
        assertThat(failure.partialText()).isEqualTo("Once upon");
    }

    @Test
    @DisplayName("B7: token counts in a chunk without choices are counts, and no output")
    void countsComeFromAChunkWithoutChoices() {
        first.enqueue(STORY.cutBefore("[DONE]")
                .data("{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}}")
                .done());
        Completion completion = llm.complete(CHAT);
        assertThat(completion.text()).isEqualTo("Once upon a time");
        assertThat(completion.usage()).contains(Usage.builder(9, 4).build());
    }

    @Test
    @DisplayName("B8: bytes split anywhere change nothing")
    void splitBytesChangeNothing() {
        MockResponse accents = MockResponse.chat("Il était", " une fois \uD83E\uDD8A");
        for (int bytes = 1; bytes <= 7; bytes++) {
            first.enqueue(accents.splitEvery(bytes));
            second.enqueue(accents.splitEvery(bytes));
        }
        for (int i = 0; i < 14; i++) {
            assertThat(once.complete(CHAT).text()).isEqualTo("Il était une fois \uD83E\uDD8A");
        }
    }
}
