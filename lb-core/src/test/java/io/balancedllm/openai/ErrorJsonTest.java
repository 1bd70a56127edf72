/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ErrorJsonTest {
    @Test
    void everyFormOfBodyIsUnderstood() {
        assertThat(read(400, "{\"error\":{\"message\":\"no\",\"type\":\"t\",\"param\":null,\"code\":400}}"))
                .hasMessage("HTTP 400: no (t)");
        assertThat(read(400, "{\"object\":\"error\",\"message\":\"no\",\"type\":\"t\",\"code\":40001}"))
                .hasMessage("HTTP 400: no (t)");
        assertThat(read(400, "{\"error\":\"no\",\"error_type\":\"validation\"}"))
                .hasMessage("HTTP 400: no (validation)");
        assertThat(read(404, "{\"detail\":\"Not Found\"}")).hasMessage("HTTP 404: Not Found");
        assertThat(read(422, "{\"detail\":[{\"loc\":[\"body\",28],\"msg\":\"bad\"}]}"))
                .hasMessage("HTTP 422: bad at [body, 28]");
        assertThat(read(400, "[{\"error\":{\"message\":\"no\"}}]")).hasMessage("HTTP 400: no");
        assertThat(read(500, "Internal Server Error")).hasMessage("HTTP 500: Internal Server Error");
        assertThat(read(502, "<html>\r\n<head><title>502 Bad Gateway</title></head></html>"))
                .hasMessage("HTTP 502: 502 Bad Gateway");
        assertThat(read(503, "")).hasMessage("HTTP 503");
        assertThat(read(503, "{\"error\":{")).hasMessage("HTTP 503: {\"error\":{");
    }

    @Test
    void aPromptThatIsTooLongIsRecognisedInEverySpelling() {
        for (String body : new String[] {
            "{\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}",
            "{\"error\":{\"message\":\"x\",\"type\":\"exceed_context_size_error\",\"code\":400}}",
            "{\"error\":{\"message\":\"This model's maximum context length is 8 tokens.\",\"code\":400}}",
            "{\"error\":{\"message\":\"too much\",\"param\":\"input_text\",\"code\":400}}",
            "{\"message\":\"The input (9 tokens) is longer than the model's context length (8 tokens).\"}",
            "{\"message\":\"Requested token count exceeds the model's maximum context length of 8 tokens.\"}",
            "{\"error\":\"Input validation error: `inputs` must have less than 8 tokens. Given: 9\"}",
            "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8\"}",
            "{\"error\":{\"message\":\"Prompt length (9) exceeds maximum input length (8).\"}}"
        }) {
            assertThat(read(400, body).reason()).as(body).isEqualTo(Reason.CONTEXT_LENGTH_EXCEEDED);
        }
    }

    @Test
    void wordsOfAServersStateCountOnlyWhenTheServerIsAtFault() {
        String draining = "{\"error\":{\"message\":\"cannot schedule new futures after shutdown\",\"code\":500}}";
        assertThat(read(500, draining).reason()).isEqualTo(Reason.UNAVAILABLE);
        assertThat(read(400, draining).reason()).isEqualTo(Reason.INVALID_REQUEST);
        assertThat(read(503, "{\"error\":{\"message\":\"Loading model\"}}").reason())
                .isEqualTo(Reason.UNAVAILABLE);
        assertThat(read(503, "{\"error\":\"server busy, please try again. maximum pending requests exceeded\"}")
                        .reason())
                .isEqualTo(Reason.OVERLOADED);
        assertThat(read(429, "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}")
                        .reason())
                .isEqualTo(Reason.OVERLOADED);
        assertThat(read(429, "{\"error\":{\"message\":\"x\",\"code\":\"insufficient_quota\"}}")
                        .reason())
                .isEqualTo(Reason.UNAUTHORIZED);
    }

    @Test
    void retryHeadersAreReadInEveryForm() {
        assertThat(retryAfter(Map.of("Retry-After-Ms", "1500.5"))).contains(Duration.ofNanos(1_500_500_000));
        assertThat(retryAfter(Map.of("x-ms-retry-after-ms", "20"))).contains(Duration.ofMillis(20));
        assertThat(retryAfter(Map.of("Retry-After", "3"))).contains(Duration.ofSeconds(3));
        assertThat(retryAfter(Map.of("Retry-After", " 0.25 "))).contains(Duration.ofMillis(250));
        assertThat(retryAfter(Map.of("Retry-After", "9", "retry-after-ms", "1")))
                .contains(Duration.ofMillis(1));
        assertThat(retryAfter(Map.of(
                        "Date", "Sat, 21 Nov 2026 08:00:00 GMT", "Retry-After", "Sat, 21 Nov 2026 08:01:30 GMT")))
                .contains(Duration.ofSeconds(90));
        assertThat(retryAfter(Map.of(
                        "Date", "Sat, 21 Nov 2026 08:00:00 GMT", "Retry-After", "Sat, 21 Nov 2026 07:00:00 GMT")))
                .contains(Duration.ZERO);
    }

    @Test
    void hostileRetryHeadersAreIgnoredOrCut() {
        for (String hostile : new String[] {
            "-1",
            "NaN",
            "Infinity",
            "1e9",
            "0x10",
            "",
            "soon",
            "9".repeat(1_000),
            "Sat, 21 Nov 2026 08:01:30 GMT",
            "1.2.3"
        }) {
            assertThat(retryAfter(Map.of("Retry-After", hostile))).as(hostile).isEmpty();
        }
        assertThat(retryAfter(Map.of("Retry-After", "999999999999999"))).contains(RetryAfter.LONGEST);
        assertThat(retryAfter(Map.of("retry-after-ms", "bad", "Retry-After", "2")))
                .contains(Duration.ofSeconds(2));
    }

    @Test
    void theServersWordOnRetryingOverrides() {
        byte[] body = new byte[0];
        assertThat(OpenAiJson.readError(400, Map.of("X-Should-Retry", "true"), body)
                        .retryable())
                .isTrue();
        assertThat(OpenAiJson.readError(503, Map.of("x-should-retry", "false"), body)
                        .retryable())
                .isFalse();
    }

    @Test
    void writtenErrorsMeanTheSameWhenRead() {
        Map<Reason, Reason> elsewhere = Map.of(
                Reason.PROTOCOL_ERROR, Reason.UNAVAILABLE,
                Reason.TRUNCATED, Reason.UNAVAILABLE,
                Reason.DEADLINE_EXCEEDED, Reason.TIMEOUT,
                Reason.READER_STALLED, Reason.TIMEOUT,
                Reason.REJECTED, Reason.OVERLOADED,
                Reason.NO_ENDPOINT, Reason.UNAVAILABLE,
                Reason.CLOSED, Reason.UNAVAILABLE,
                Reason.CANCELLED, Reason.INVALID_REQUEST,
                Reason.INTERNAL_ERROR, Reason.SERVER_ERROR);
        for (Reason reason : Reason.values()) {
            LlmException failure = new LlmException(reason, "words");
            LlmException read =
                    OpenAiJson.readError(OpenAiJson.statusOf(failure), Map.of(), OpenAiJson.writeError(failure));
            assertThat(read.reason()).as(reason.name()).isEqualTo(elsewhere.getOrDefault(reason, reason));
            assertThat(read).hasMessageContaining("words");
        }
    }

    @Test
    void anEndlessMessageIsCut() {
        assertThat(read(500, "x".repeat(1 << 20)).message().length()).isLessThan(ErrorJson.MAX_MESSAGE_CHARS + 100);
        assertThat(read(500, "<".repeat(1 << 20)).message().length()).isLessThan(ErrorJson.MAX_MESSAGE_CHARS + 100);
    }

    private static LlmException read(int status, String body) {
        return OpenAiJson.readError(status, Map.of(), body.getBytes(StandardCharsets.UTF_8));
    }

    private static Optional<Duration> retryAfter(Map<String, String> headers) {
        return OpenAiJson.readError(429, headers, new byte[0]).retryAfter();
    }
}
