/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A piece of a {@link ToolCall} in a stream. Pieces with the same index belong together: the first usually carries id
 * and name, the others append to the arguments. Immutable.
 *
 * @param index which tool call of the message this extends, from 0
 * @param id the call's id, or null when this piece has none
 * @param name the function's name, or null when this piece has none
 * @param arguments text to append to the arguments, possibly empty
 * @param extra what the wire carried beside these
 */
public record ToolCallDelta(
        int index, @Nullable String id, @Nullable String name, String arguments, Map<String, @Nullable Object> extra) {
    /** Copies the map. */
    public ToolCallDelta {
        Checks.atLeast("index", index, 0);
        extra = JsonValues.copyOf("extra", extra);
    }
}
