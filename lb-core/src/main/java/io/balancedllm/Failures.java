/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;

/** Words for failures: what happened, where, in which attempt, and what the user can do. */
final class Failures {
    private Failures() {}

    static LlmException defect(String message, Throwable cause) {
        return LlmException.builder(Reason.INTERNAL_ERROR, message).cause(cause).build();
    }

    static LlmException defect(String message) {
        return new LlmException(Reason.INTERNAL_ERROR, message);
    }

    static LlmException closed() {
        return new LlmException(Reason.CLOSED, "the BalancedLlm is closed");
    }

    /** {@return a refusal that says when to come back} */
    static LlmException rejected(String message, long waitNanos) {
        return LlmException.builder(Reason.REJECTED, message)
                .retryAfter(Duration.ofNanos(Math.max(0, waitNanos)))
                .build();
    }

    static LlmException nobodyBefore(long waitNanos) {
        Duration wait = Duration.ofNanos(Math.max(0, waitNanos));
        return LlmException.builder(
                        Reason.NO_ENDPOINT,
                        "no endpoint takes the call now; the first may in " + wait.toMillis()
                                + " ms, which is later than the call waits")
                .retryAfter(wait)
                .build();
    }

    /** {@return the failure of an attempt as the failure of its call} */
    static LlmException ofCall(
            LlmException failure, List<AttemptSummary> attempts, int maxAttempts, String partialText) {
        return failure.newBuilder()
                .message(failure.message() + where(attempts, maxAttempts) + advice(failure))
                .attempts(attempts)
                .partialText(partialText)
                .build();
    }

    private static String where(List<AttemptSummary> attempts, int maxAttempts) {
        if (attempts.isEmpty()) {
            return "";
        }
        AttemptSummary last = attempts.get(attempts.size() - 1);
        String where = " [endpoint " + last.endpoint() + ", attempt " + last.number() + " of at most " + maxAttempts;
        if (attempts.size() > 1) {
            where += "; before: "
                    + attempts.subList(0, attempts.size() - 1).stream()
                            .map(AttemptSummary::toString)
                            .collect(Collectors.joining(", "));
        }
        return where + "]";
    }

    private static String advice(LlmException failure) {
        return switch (failure.reason()) {
            case CONTEXT_LENGTH_EXCEEDED -> "; shorten the prompt or lower maxTokens";
            case UNAUTHORIZED -> "; check the endpoint's API key and account";
            case RATE_LIMITED, OVERLOADED, REJECTED ->
                failure.retryAfter()
                        .map(after -> "; try again in " + after + ", or add endpoints")
                        .orElse("; try again later, or add endpoints");
            case UNAVAILABLE -> "; check that the endpoint runs and that its URL is right";
            case TRUNCATED -> "; partialText() has what had arrived";
            case TIMEOUT -> "; raise the time limit if the endpoint is merely slow";
            case DEADLINE_EXCEEDED -> "; raise CallOptions.timeout or lower maxTokens";
            case READER_STALLED -> "; read the stream faster or close it";
            case NO_ENDPOINT -> "; add an endpoint to the pool or resume one";
            case INTERNAL_ERROR -> "; this is a defect, please report it with its stack trace";
            case INVALID_REQUEST, MODEL_NOT_FOUND, UNSUPPORTED, SERVER_ERROR, PROTOCOL_ERROR, CANCELLED, CLOSED -> "";
        };
    }
}
