/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How a call ended. Immutable.
 *
 * @param outcome completed, failed or cancelled
 * @param failureOrNull the error it ended with, null when it completed
 * @param usageOrNull what it cost, null when the engine did not say
 * @param decision who served it, and when
 */
public record CallEnd(
        Outcome outcome,
        @Nullable LlmException failureOrNull,
        @Nullable Usage usageOrNull,
        DecisionRecord decision) {
    /** The three ways a call ends. */
    public enum Outcome {
        /** With its answer. */
        COMPLETED,
        /** With a typed error. */
        FAILED,
        /** Because the caller wanted no more of it. */
        CANCELLED
    }

    /** {@return the error it ended with, if it did} */
    public Optional<LlmException> failure() {
        return Optional.ofNullable(failureOrNull);
    }

    /** {@return what it cost, when the engine says} */
    public Optional<Usage> usage() {
        return Optional.ofNullable(usageOrNull);
    }
}
