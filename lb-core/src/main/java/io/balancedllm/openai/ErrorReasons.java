/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.LlmException.Reason;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * What a status, and the words beside it, mean. Words are the engines' own, from recordings and sources; they decide
 * only where the status leaves the matter open, and words of a server's own state (draining, loading) only on a 5xx,
 * because a 4xx may quote the caller.
 */
final class ErrorReasons {
    /** A prompt that does not fit: OpenAI and vLLM, llama.cpp, SGLang, TGI, TensorRT-LLM. */
    private static final Pattern TOO_LONG = Pattern.compile("maximum context length|max_model_len"
            + "|exceeds? the (available |model's )?context|longer than the model's context|context (length|window|size) (is )?exceeded"
            + "|exceeds? the maximum (input|sequence) length|exceeds? maximum input length"
            + "|`inputs` must have less than|`inputs` tokens \\+ `max_new_tokens`|prompt is too long");

    private static final List<String> TOO_LONG_KINDS =
            List.of("context_length_exceeded", "exceed_context_size_error", "context_window_exceeded");
    private static final List<String> TOO_LONG_PARAMS = List.of("input_tokens", "input_text");
    private static final List<String> NO_MODEL = List.of("model_not_found", "server is pinned to");
    private static final List<String> NO_MONEY = List.of("insufficient_quota", "billing", "credit balance");
    private static final List<String> NO_ABILITY = List.of(
            "not_supported_error",
            "image input is not supported",
            "is not a multimodal model",
            "--tool-call-parser",
            "does not support chat",
            "does not support completions",
            "does not support embeddings");
    private static final List<String> BUSY =
            List.of("overloaded", "server busy", "queue is full", "maximum pending requests", "no slot available");
    private static final List<String> GOING_OR_COMING = List.of(
            "cannot schedule new futures after shutdown",
            "shutting down",
            "is draining",
            "enginedeaderror",
            "loading model",
            "model is loading",
            "not ready");

    private ErrorReasons() {}

    static Reason of(int status, ErrorJson error) {
        String kind = (error.type() + " " + error.code()).toLowerCase(Locale.ROOT);
        String words = error.message().toLowerCase(Locale.ROOT);
        boolean serverFault = status >= 500;
        if (any(kind, TOO_LONG_KINDS)
                || (!serverFault
                        && isRequestFault(status)
                        && (TOO_LONG_PARAMS.contains(error.param())
                                || TOO_LONG.matcher(words).find()))) {
            return Reason.CONTEXT_LENGTH_EXCEEDED;
        }
        if (any(kind + " " + words, NO_MODEL)) {
            return Reason.MODEL_NOT_FOUND;
        }
        if (any(kind + " " + words, NO_ABILITY)) {
            return Reason.UNSUPPORTED;
        }
        if (serverFault || status == 429) {
            if (any(kind, NO_MONEY) || (status == 429 && any(words, NO_MONEY))) {
                return Reason.UNAUTHORIZED;
            }
            if (any(kind + " " + words, BUSY)) {
                return Reason.OVERLOADED;
            }
        }
        if (serverFault && any(kind + " " + words, GOING_OR_COMING)) {
            return Reason.UNAVAILABLE;
        }
        return ofStatus(status, kind, words, error.param());
    }

    private static boolean isRequestFault(int status) {
        return status == 400 || status == 413 || status == 422;
    }

    private static Reason ofStatus(int status, String kind, String words, String param) {
        return switch (status) {
            case 401, 402, 403 -> Reason.UNAUTHORIZED;
            case 404 ->
                kind.contains("notfounderror") || param.equals("model") || words.contains("model")
                        ? Reason.MODEL_NOT_FOUND
                        : Reason.UNSUPPORTED;
            case 405, 501 -> Reason.UNSUPPORTED;
            case 408, 504 -> Reason.TIMEOUT;
            case 409, 425, 502, 503 -> Reason.UNAVAILABLE;
            case 429 -> Reason.RATE_LIMITED;
            case 529 -> Reason.OVERLOADED;
            default -> {
                if (status >= 500) {
                    yield Reason.SERVER_ERROR;
                }
                yield status >= 400 ? Reason.INVALID_REQUEST : Reason.PROTOCOL_ERROR;
            }
        };
    }

    /** {@return the status an error inside a stream would have had, from its kind; 500 when it does not tell} */
    static int statusOfKind(String kind) {
        if (any(kind, List.of("rate_limit", "ratelimit", "too_many_requests", "insufficient_quota"))) {
            return 429;
        }
        if (any(kind, List.of("authentication", "permission", "unauthorized"))) {
            return 401;
        }
        if (any(kind, List.of("notfound", "not_found"))) {
            return 404;
        }
        if (any(kind, List.of("invalid_request", "badrequest", "bad request", "bad_request", "validation"))
                || any(kind, TOO_LONG_KINDS)) {
            return 400;
        }
        if (kind.contains("timeout")) {
            return 504;
        }
        return kind.contains("unavailable") ? 503 : 500;
    }

    private static boolean any(String text, List<String> words) {
        for (String word : words) {
            if (text.contains(word)) {
                return true;
            }
        }
        return false;
    }

    /** {@return the status a server answers with when a call ended for this reason} */
    static int statusOf(Reason reason) {
        return switch (reason) {
            case INVALID_REQUEST, CONTEXT_LENGTH_EXCEEDED -> 400;
            case UNAUTHORIZED -> 401;
            case MODEL_NOT_FOUND -> 404;
            case READER_STALLED -> 408;
            case RATE_LIMITED -> 429;
            case CANCELLED -> 499;
            case SERVER_ERROR, INTERNAL_ERROR -> 500;
            case UNSUPPORTED -> 501;
            case PROTOCOL_ERROR, TRUNCATED -> 502;
            case OVERLOADED, UNAVAILABLE, REJECTED, NO_ENDPOINT, CLOSED -> 503;
            case TIMEOUT, DEADLINE_EXCEEDED -> 504;
        };
    }

    /** {@return the word for {@code type} in an error body} */
    static String kindOf(Reason reason) {
        return switch (reason) {
            case INVALID_REQUEST, CONTEXT_LENGTH_EXCEEDED -> "invalid_request_error";
            case UNAUTHORIZED -> "authentication_error";
            case MODEL_NOT_FOUND -> "not_found_error";
            case UNSUPPORTED -> "not_supported_error";
            case RATE_LIMITED -> "rate_limit_error";
            case OVERLOADED, REJECTED -> "overloaded_error";
            case UNAVAILABLE, NO_ENDPOINT, CLOSED -> "unavailable_error";
            case TIMEOUT, DEADLINE_EXCEEDED, READER_STALLED -> "timeout_error";
            case SERVER_ERROR, INTERNAL_ERROR, PROTOCOL_ERROR, TRUNCATED, CANCELLED -> "server_error";
        };
    }
}
