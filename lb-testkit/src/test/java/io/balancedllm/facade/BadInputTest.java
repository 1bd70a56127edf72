/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.testkit.MockResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a hostile or broken server sends: read to a limit, told typed, and the call goes on elsewhere. */
class BadInputTest extends LoopbackTest {
    private static final int MANY = 10 << 20;
    /** Much less than what was sent, and enough for words. */
    private static final int MOST_WORDS = 4_096;

    private static final MockResponse STORY = MockResponse.chat("Once", " upon", " a", " time");
    private static final String HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    private static final Map<String, MockResponse> INPUTS = Map.of(
            "an error of 10 MB", MockResponse.body(500, "text/plain", "x".repeat(MANY)),
            "JSON of 10 MB in an error", MockResponse.error(500, "x".repeat(MANY), "server_error"),
            "headers without end", raw(HEAD + ("X-Filler: " + "x".repeat(1_000) + "\r\n").repeat(2_000)),
            "a header without end", raw(HEAD + "X-Filler: " + "x".repeat(MANY)),
            "a line of a stream without end",
                    MockResponse.sse().bytes(("data: " + "x".repeat(MANY)).getBytes(StandardCharsets.UTF_8)),
            "a gigantic event",
                    MockResponse.sse().data("\"" + "x".repeat(MANY) + "\"").done(),
            "an error of 10 MB in a stream", MockResponse.sse().inBandError("x".repeat(MANY), "server_error"),
            "JSON without end in depth", MockResponse.sse().data("[".repeat(100_000)),
            "noise", raw("\u0000\u0001\u0002 and so on\r\n\r\n"));

    private static MockResponse raw(String bytes) {
        return MockResponse.raw(bytes.getBytes(StandardCharsets.ISO_8859_1));
    }

    private static MockResponse input(String name) {
        MockResponse response = INPUTS.get(name);
        if (response == null) {
            throw new IllegalArgumentException(name);
        }
        return response;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "an error of 10 MB",
                "JSON of 10 MB in an error",
                "headers without end",
                "a header without end",
                "a line of a stream without end",
                "a gigantic event",
                "an error of 10 MB in a stream",
                "JSON without end in depth",
                "noise"
            })
    void isToldTypedAndInFewWordsAndTheCallGoesElsewhere(String name) {
        first.enqueue(input(name));
        second.enqueue(STORY);
        Completion completion = llm.complete(CHAT);
        assertThat(completion.text()).isEqualTo("Once upon a time");
        assertThat(completion.decision().orElseThrow().attempts())
                .extracting(AttemptSummary::endpoint)
                .containsExactly("first", "second");

        first.enqueue(input(name));
        LlmException failure = failureOf(() -> once.complete(CHAT));
        assertThat(failure.reason())
                .isIn(Reason.SERVER_ERROR, Reason.PROTOCOL_ERROR, Reason.UNAVAILABLE, Reason.TRUNCATED);
        assertThat(failure.getMessage()).hasSizeLessThan(MOST_WORDS);
        assertThat(failure.partialText()).isEmpty();
        assertThat(first.requests()).as("each of them asked for once").hasSize(2);
    }

    @ParameterizedTest
    @DisplayName("C2: a hostile Retry-After is cut or ignored")
    @ValueSource(
            strings = {
                "-1",
                "99999999999999999999999",
                "1e309",
                "NaN",
                "Infinity",
                "0x7fffffff",
                "2147483648",
                "Fri, 31 Dec 9999 23:59:59 GMT",
                "Fri, 99 Foo 9999 23:59:59 GMT",
                "1;DROP TABLE"
            })
    void aHostileRetryAfterIsCutOrIgnored(String value) {
        first.enqueue(MockResponse.error(429, "slow down", "rate_limit_error").header("Retry-After", value));
        LlmException failure = failureOf(() -> once.complete(CHAT));
        assertThat(failure.reason()).isEqualTo(Reason.RATE_LIMITED);
        assertThat(failure.retryAfter().orElse(Duration.ZERO)).isBetween(Duration.ZERO, Duration.ofDays(1));
        second.enqueue(STORY);
        assertThat(llm.complete(CHAT).text()).isEqualTo("Once upon a time");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "vllm:num_requests_running",
                "vllm:num_requests_running{ NaN",
                "vllm:num_requests_running -5",
                "vllm:num_requests_running 1e400\nvllm:num_requests_waiting Inf",
                "<html>not metrics</html>",
                "{\"server_load\": [[[]]]}"
            })
    void malformedMetricsTellNothing(String page) throws Exception {
        first.on("/metrics", MockResponse.body(200, "text/plain", page));
        try (OpenAiBackend backend = OpenAiBackend.at(first.url())) {
            assertThat(backend.report(PATIENCE)
                            .toCompletableFuture()
                            .get(PATIENCE.toSeconds(), TimeUnit.SECONDS)
                            .flatMap(
                                    report -> report.requests().stream().boxed().findAny()))
                    .isEqualTo(Optional.empty());
        }
    }

    @Test
    void metricsWithoutEndAreGivenUpAndHoldUpNobody() throws Exception {
        first.on("/metrics", MockResponse.body(200, "text/plain", "").endless("x".repeat(10_000)));
        try (OpenAiBackend backend = OpenAiBackend.at(first.url())) {
            assertThat(backend.report(PATIENCE).toCompletableFuture().get(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                    .isEmpty();
        }
        first.awaitNoConnections(PATIENCE);
    }
}
