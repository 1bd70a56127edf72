/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The log probability of one token. Immutable.
 *
 * @param token the token as text
 * @param logprob natural logarithm of its probability
 * @param top the most probable tokens at this position, most probable first; empty when not asked for
 * @param extra what the wire carried beside these ({@code bytes}, {@code text_offset}, ...)
 */
public record TokenLogprob(String token, double logprob, List<TokenLogprob> top, Map<String, @Nullable Object> extra) {
    /** Copies list and map. */
    public TokenLogprob {
        top = List.copyOf(top);
        extra = JsonValues.copyOf("extra", extra);
    }
}
