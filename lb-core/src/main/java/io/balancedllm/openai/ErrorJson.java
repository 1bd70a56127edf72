/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What servers say when they fail, in any of the bodies seen: {@code {"error":{message,type,param,code}}} (OpenAI,
 * vLLM, llama.cpp), the same flat (Dynamo, older vLLM), {@code {"error":"text"}} (vLLM's 401, TGI, Ollama),
 * {@code {"detail":...}} (FastAPI), plain text, HTML, nothing.
 *
 * @param message the words, possibly empty
 * @param type the kind in the server's words, empty when it names none
 * @param param which parameter is at fault, empty when none is named
 * @param code a code in words or digits, empty when there is none
 */
record ErrorJson(String message, String type, String param, String code) {
    /** Longer messages are cut: some servers echo the whole request. */
    static final int MAX_MESSAGE_CHARS = 1_000;

    private static final int TOO_MANY_REQUESTS = 429;
    private static final int UNAVAILABLE = 503;
    private static final int OVERLOADED = 529;
    private static final int FIRST_ERROR_STATUS = 400;
    private static final int LAST_ERROR_STATUS = 599;
    private static final Pattern TAG = Pattern.compile("<[^<>]{0,500}>");
    private static final Pattern BLANKS = Pattern.compile("[\\s\\p{Cntrl}]+");

    static ErrorJson read(byte[] body) {
        String text = new String(body, StandardCharsets.UTF_8).strip();
        if (text.startsWith("{") || text.startsWith("[")) {
            try {
                Object json = Json.read(text);
                if (json instanceof List<?> list && !list.isEmpty()) {
                    json = list.get(0);
                }
                Map<String, @Nullable Object> object = Fields.asObject(json);
                if (object != null) {
                    return of(object);
                }
            } catch (IOException e) {
                return plain(text); // cut short or not JSON after all: its words still help
            }
        }
        return plain(text);
    }

    private static ErrorJson plain(String text) {
        String start = text.length() > MAX_MESSAGE_CHARS * 4 ? text.substring(0, MAX_MESSAGE_CHARS * 4) : text;
        return new ErrorJson(clean(start.startsWith("<") ? TAG.matcher(start).replaceAll(" ") : start), "", "", "");
    }

    private static ErrorJson of(Map<String, @Nullable Object> json) {
        Map<String, @Nullable Object> nested = Fields.asObject(json.get("error"));
        if (nested != null) {
            return new ErrorJson(
                    clean(word(nested.get("message"))),
                    word(nested.get("type")),
                    word(nested.get("param")),
                    word(nested.get("code")));
        }
        if (json.get("error") instanceof String text) {
            return new ErrorJson(clean(text), word(json.get("error_type")), "", word(json.get("code")));
        }
        if (json.get("message") instanceof String text) {
            return new ErrorJson(clean(text), word(json.get("type")), word(json.get("param")), word(json.get("code")));
        }
        return new ErrorJson(clean(detail(json.get("detail"))), "", "", "");
    }

    /** {@return FastAPI's detail: words, or the first of a list of faults with where it is} */
    private static String detail(@Nullable Object detail) {
        if (detail instanceof List<?> list && !list.isEmpty()) {
            Map<String, @Nullable Object> fault = Fields.asObject(list.get(0));
            if (fault != null) {
                return word(fault.get("msg")) + (fault.get("loc") == null ? "" : " at " + fault.get("loc"));
            }
        }
        Map<String, @Nullable Object> object = Fields.asObject(detail);
        return object != null ? word(object.get("message")) : word(detail);
    }

    private static String word(@Nullable Object value) {
        return value instanceof String || value instanceof Number ? value.toString() : "";
    }

    private static String clean(String text) {
        String start = text.length() > MAX_MESSAGE_CHARS * 4 ? text.substring(0, MAX_MESSAGE_CHARS * 4) : text;
        String line = BLANKS.matcher(start).replaceAll(" ").strip();
        return line.length() > MAX_MESSAGE_CHARS ? line.substring(0, MAX_MESSAGE_CHARS) + "..." : line;
    }

    /** {@return the words, and the kind where it adds something} */
    String words() {
        String kind = code.isEmpty() || code.chars().allMatch(Character::isDigit) ? type : code;
        if (message.isEmpty()) {
            return kind;
        }
        return kind.isEmpty() || message.contains(kind) ? message : message + " (" + kind + ")";
    }

    /** {@return the failure an HTTP response means; header names in lower case} */
    static LlmException.Builder failure(int status, Map<String, String> headers, byte[] body) {
        ErrorJson error = read(body);
        String words = error.words();
        Reason reason = ErrorReasons.of(status, error);
        LlmException.Builder failure = LlmException.builder(
                        reason, "HTTP " + status + (words.isEmpty() ? "" : ": " + words))
                .statusCode(status);
        if (reason == Reason.MODEL_NOT_FOUND) {
            failure.retryable(true); // this endpoint has it not; another may
        }
        boolean refused = status == TOO_MANY_REQUESTS || status == UNAVAILABLE || status == OVERLOADED;
        Duration retryAfter = refused ? RetryAfter.ofRefusal(headers) : RetryAfter.of(headers);
        if (retryAfter != null) {
            failure.retryAfter(retryAfter);
        }
        String shouldRetry = headers.get("x-should-retry");
        if ("true".equals(shouldRetry) || "false".equals(shouldRetry)) {
            failure.retryable(Boolean.parseBoolean(shouldRetry));
        }
        return failure;
    }

    /** {@return the failure that stands in place of an answer or an event; null when there is none} */
    static @Nullable LlmException inBand(Map<String, @Nullable Object> json) {
        Object error = json.get("error");
        boolean nested = error instanceof Map<?, ?> || (error instanceof String text && !text.isEmpty());
        boolean flat = "error".equals(json.get("object")) && json.get("message") instanceof String;
        return nested || flat ? of(json).inBand() : null;
    }

    /** {@return the failure an {@code event: error} means, whatever its data} */
    static LlmException inBand(String data) {
        return read(data.getBytes(StandardCharsets.UTF_8)).inBand();
    }

    private LlmException inBand() {
        Reason reason = ErrorReasons.of(statusInBand(), this);
        String words = words();
        return LlmException.builder(
                        reason,
                        "the server reported an error inside its answer" + (words.isEmpty() ? "" : ": " + words))
                .retryable(reason.retryableByDefault() || reason == Reason.MODEL_NOT_FOUND)
                .build();
    }

    private int statusInBand() {
        if (code.length() == 3 && code.chars().allMatch(Character::isDigit)) {
            int status = Integer.parseInt(code);
            if (status >= FIRST_ERROR_STATUS && status <= LAST_ERROR_STATUS) {
                return status;
            }
        }
        return ErrorReasons.statusOfKind((type + " " + code).toLowerCase(Locale.ROOT));
    }

    static Map<String, @Nullable Object> write(LlmException failure) {
        Map<String, @Nullable Object> error = new LinkedHashMap<>();
        error.put("message", failure.message());
        error.put("type", ErrorReasons.kindOf(failure.reason()));
        error.put("param", null);
        error.put("code", failure.reason().name().toLowerCase(Locale.ROOT));
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("error", error);
        return json;
    }
}
