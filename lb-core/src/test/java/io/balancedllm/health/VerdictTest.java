/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.time.Duration;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class VerdictTest {
    private static Verdict.Kind kind(Reason reason, int status, String words) {
        LlmException.Builder failure = LlmException.builder(reason, words);
        if (status > 0) {
            failure.statusCode(status);
        }
        return Verdict.of(failure.build()).kind();
    }

    @ParameterizedTest
    @DisplayName("C1: what a client does wrong says nothing about the endpoint")
    @EnumSource(
            value = Reason.class,
            names = {"INVALID_REQUEST", "CONTEXT_LENGTH_EXCEEDED", "MODEL_NOT_FOUND", "UNSUPPORTED"})
    void requestFaultsAreNeutral(Reason reason) {
        assertThat(kind(reason, 400, "no")).isEqualTo(Verdict.Kind.NEUTRAL);
        assertThat(kind(reason, 0, "no")).isEqualTo(Verdict.Kind.NEUTRAL);
    }

    @ParameterizedTest
    @DisplayName("A7: what somebody else ended says nothing about the endpoint")
    @EnumSource(
            value = Reason.class,
            names = {"CANCELLED", "DEADLINE_EXCEEDED", "READER_STALLED", "REJECTED", "NO_ENDPOINT", "CLOSED"})
    void endsFromOutsideAreNeutral(Reason reason) {
        assertThat(kind(reason, 0, "enough")).isEqualTo(Verdict.Kind.NEUTRAL);
    }

    @ParameterizedTest
    @CsvSource({
        "UNAVAILABLE, 0, FAILURE",
        "UNAVAILABLE, 502, FAILURE",
        "UNAVAILABLE, 409, NEUTRAL",
        "UNAVAILABLE, 425, NEUTRAL",
        "SERVER_ERROR, 500, FAILURE",
        "SERVER_ERROR, 0, FAILURE",
        "PROTOCOL_ERROR, 200, FAILURE",
        "TRUNCATED, 0, FAILURE",
        "TIMEOUT, 0, FAILURE",
        "TIMEOUT, 504, FAILURE",
        "TIMEOUT, 408, NEUTRAL",
        "INTERNAL_ERROR, 0, FAILURE",
        "RATE_LIMITED, 429, BACK_PRESSURE",
        "OVERLOADED, 529, BACK_PRESSURE",
        "OVERLOADED, 0, BACK_PRESSURE",
        "UNAVAILABLE, 503, BACK_PRESSURE",
        "UNAUTHORIZED, 401, LOCKED_OUT",
        "UNAUTHORIZED, 402, LOCKED_OUT",
        "UNAUTHORIZED, 403, LOCKED_OUT"
    })
    void eachReasonHasItsMeaning(Reason reason, int status, Verdict.Kind kind) {
        assertThat(kind(reason, status, "words")).isEqualTo(kind);
    }

    @ParameterizedTest
    @DisplayName("C15, C20: an engine's words about its own state count beside a 5xx, and nowhere else")
    @CsvSource({
        "500, cannot schedule new futures after shutdown, STOPPING",
        "503, Server is shutting down, STOPPING",
        "503, the engine is draining, STOPPING",
        "503, Loading model, LOADING",
        "503, Model is loading, LOADING",
        "500, Loading model, FAILURE",
        "400, cannot schedule new futures after shutdown, NEUTRAL",
        "0, shutting down, FAILURE"
    })
    void wordsOfTheEngineAreUnderstood(int status, String words, Verdict.Kind kind) {
        assertThat(kind(Reason.UNAVAILABLE, status, "http://gpu-1: HTTP " + status + ": " + words))
                .isEqualTo(kind);
    }

    @ParameterizedTest
    @DisplayName("C2: a minute is back-pressure, more is a quarantine")
    @CsvSource({"RATE_LIMITED, 60, BACK_PRESSURE", "RATE_LIMITED, 61, LOCKED_OUT", "UNAVAILABLE, 3600, LOCKED_OUT"})
    void aLongPauseIsAQuarantine(Reason reason, int seconds, Verdict.Kind kind) {
        Verdict verdict = Verdict.of(LlmException.builder(reason, "later")
                .statusCode(503)
                .retryAfter(Duration.ofSeconds(seconds))
                .build());

        assertThat(verdict.kind()).isEqualTo(kind);
        assertThat(verdict.pauseOrNull()).isEqualTo(Duration.ofSeconds(seconds));
    }
}
