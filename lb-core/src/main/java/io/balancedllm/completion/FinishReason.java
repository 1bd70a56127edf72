/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

/**
 * Why a choice ended. An open set: engines send values beyond the constants ({@code abort}, {@code error}, ...), and an
 * unknown value is kept, never an error.
 *
 * @param value the reason as it stands on the wire
 */
public record FinishReason(String value) {
    /** The model ended its answer, or a stop string was met. */
    public static final FinishReason STOP = new FinishReason("stop");
    /** The limit of new tokens, or the context, was reached. */
    public static final FinishReason LENGTH = new FinishReason("length");
    /** The model asks for tools to be called. */
    public static final FinishReason TOOL_CALLS = new FinishReason("tool_calls");
    /** A content filter cut the answer. */
    public static final FinishReason CONTENT_FILTER = new FinishReason("content_filter");

    /** Refuses a blank reason. */
    public FinishReason {
        Checks.notBlank("finish reason", value);
    }

    @Override
    public String toString() {
        return value;
    }
}
