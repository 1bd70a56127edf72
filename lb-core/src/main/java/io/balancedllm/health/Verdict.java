/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.health;

import io.balancedllm.completion.LlmException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What the end of an attempt says about its endpoint. Immutable.
 *
 * @param kind what it says
 * @param reason in words
 * @param pauseOrNull how long the endpoint asks to be left alone, null when it does not say
 */
public record Verdict(Kind kind, String reason, @Nullable Duration pauseOrNull) {
    /** The longest pause that counts as back-pressure; a longer one is a quarantine. */
    static final Duration LONGEST_COOLING = Duration.ofSeconds(60);

    private static final int FIRST_REQUEST_FAULT = 400;
    private static final int TOO_MANY_REQUESTS = 429;
    private static final int FIRST_SERVER_FAULT = 500;
    private static final int UNAVAILABLE = 503;
    /** What engines say beside a 5xx when they were told to shut down: vLLM, SGLang, TGI, llm-d. */
    private static final List<String> STOPPING =
            List.of("cannot schedule new futures after shutdown", "shutting down", "is draining");
    /** What engines say beside a 5xx while they load a model: llama.cpp, TGI. */
    private static final List<String> LOADING = List.of("loading model", "model is loading", "server is starting");

    /** What the end of an attempt can say. */
    public enum Kind {
        /** The whole answer came. */
        SUCCESS,
        /** The endpoint failed, or could not be reached, or broke off. */
        FAILURE,
        /** Nothing: the request was at fault, or somebody wanted no more of it. */
        NEUTRAL,
        /** It asks for a moment. */
        BACK_PRESSURE,
        /** It refuses our key or account, or asks for more than a minute. */
        LOCKED_OUT,
        /** It is loading its model. */
        LOADING,
        /** It was told to shut down. */
        STOPPING
    }

    /** The end of an attempt that brought the whole answer. */
    public static final Verdict SUCCESS = new Verdict(Kind.SUCCESS, "a request was answered", null);
    /** The end of an attempt that says nothing about its endpoint. */
    public static final Verdict NEUTRAL = new Verdict(Kind.NEUTRAL, "", null);

    /** {@return what this failure of an attempt says about its endpoint} */
    public static Verdict of(LlmException failure) {
        Kind kind = kind(failure);
        Duration pause = failure.retryAfter().orElse(null);
        if (kind == Kind.BACK_PRESSURE && pause != null && pause.compareTo(LONGEST_COOLING) > 0) {
            kind = Kind.LOCKED_OUT;
        }
        return new Verdict(kind, failure.reason() + ": " + failure.message(), pause);
    }

    private static Kind kind(LlmException failure) {
        int status = failure.statusCode().orElse(0);
        if (status >= FIRST_SERVER_FAULT) { // the words of a 4xx may quote the caller
            String words = failure.message().toLowerCase(Locale.ROOT);
            if (STOPPING.stream().anyMatch(words::contains)) {
                return Kind.STOPPING;
            }
            if (status == UNAVAILABLE && LOADING.stream().anyMatch(words::contains)) {
                return Kind.LOADING;
            }
        }
        return switch (failure.reason()) {
            case UNAUTHORIZED -> Kind.LOCKED_OUT;
            case RATE_LIMITED, OVERLOADED -> Kind.BACK_PRESSURE;
            case UNAVAILABLE, SERVER_ERROR, PROTOCOL_ERROR, TRUNCATED, TIMEOUT, INTERNAL_ERROR -> ofStatus(status);
            case INVALID_REQUEST,
                    CONTEXT_LENGTH_EXCEEDED,
                    MODEL_NOT_FOUND,
                    UNSUPPORTED,
                    DEADLINE_EXCEEDED,
                    READER_STALLED,
                    REJECTED,
                    NO_ENDPOINT,
                    CANCELLED,
                    CLOSED -> Kind.NEUTRAL;
        };
    }

    private static Kind ofStatus(int status) {
        if (status == UNAVAILABLE || status == TOO_MANY_REQUESTS) {
            return Kind.BACK_PRESSURE;
        }
        return status >= FIRST_REQUEST_FAULT && status < FIRST_SERVER_FAULT ? Kind.NEUTRAL : Kind.FAILURE;
    }
}
