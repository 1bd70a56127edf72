/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One attempt of a call: where it went and how it ended. Immutable.
 *
 * @param number 1 for the first attempt of a call
 * @param endpoint id of the endpoint it went to
 * @param outcome how it ended
 * @param failureOrNull why it failed, null when it did not
 * @param message the failure in words, empty when it did not fail
 * @param duration from dispatch to end
 */
public record AttemptSummary(
        int number,
        String endpoint,
        Outcome outcome,
        LlmException.@Nullable Reason failureOrNull,
        String message,
        Duration duration) {
    /** How an attempt ended. */
    public enum Outcome {
        /** Complete. */
        COMPLETED,
        /** With a typed error. */
        FAILED,
        /** Told to stop: by the caller, a timeout of the call, or close. Says nothing about the endpoint. */
        CANCELLED
    }

    /** {@return why it failed, if it did} */
    public Optional<LlmException.Reason> failure() {
        return Optional.ofNullable(failureOrNull);
    }

    @Override
    public String toString() {
        return "#" + number + " " + endpoint + " " + (failureOrNull == null ? outcome : failureOrNull) + " after "
                + duration.toMillis() + " ms" + (message.isEmpty() ? "" : " (" + message + ")");
    }
}
