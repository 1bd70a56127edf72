/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Log probabilities of the tokens of a choice, or of the piece of it that a chunk carries. Immutable.
 *
 * @param tokens one entry per token, in order; empty where the engine's form is not understood and {@code extra} has it
 * @param extra what the wire carried beside these
 */
public record Logprobs(List<TokenLogprob> tokens, Map<String, @Nullable Object> extra) {
    /** Copies list and map. */
    public Logprobs {
        tokens = List.copyOf(tokens);
        extra = JsonValues.copyOf("extra", extra);
    }

    /** Log probabilities without extra fields. */
    public Logprobs(List<TokenLogprob> tokens) {
        this(tokens, Map.of());
    }
}
