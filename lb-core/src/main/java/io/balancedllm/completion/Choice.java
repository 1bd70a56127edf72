/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One of the answers of a {@link Completion}. Immutable.
 *
 * @param index its number, from 0
 * @param message what the model said; for a plain prompt an assistant message with the continuation as its content
 * @param finishReasonOrNull why it ended; null where an engine does not say
 * @param logprobsOrNull log probabilities of its tokens; null when not asked for
 * @param extra what the wire carried beside these
 */
public record Choice(
        int index,
        Message message,
        @Nullable FinishReason finishReasonOrNull,
        @Nullable Logprobs logprobsOrNull,
        Map<String, @Nullable Object> extra) {
    /** Copies the map. */
    public Choice {
        Checks.atLeast("index", index, 0);
        extra = JsonValues.copyOf("extra", extra);
    }

    /** {@return the text of the message} */
    public String text() {
        return message.text();
    }

    /** {@return why it ended, if the engine says} */
    public Optional<FinishReason> finishReason() {
        return Optional.ofNullable(finishReasonOrNull);
    }

    /** {@return log probabilities of its tokens, when asked for} */
    public Optional<Logprobs> logprobs() {
        return Optional.ofNullable(logprobsOrNull);
    }
}
