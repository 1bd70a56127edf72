/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A function the model wants called. Immutable.
 *
 * @param id what the answering message names in its {@code tool_call_id}; empty where an engine sends none
 * @param name the function's name
 * @param arguments the arguments as the JSON text the model wrote, which may be malformed
 * @param extra what the wire carried beside these
 */
public record ToolCall(String id, String name, String arguments, Map<String, @Nullable Object> extra) {
    /** Copies the map. */
    public ToolCall {
        extra = JsonValues.copyOf("extra", extra);
    }

    /** A call without extra fields. */
    public ToolCall(String id, String name, String arguments) {
        this(id, name, arguments, Map.of());
    }
}
