/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

import org.jspecify.annotations.Nullable;

/** Is told about one call; {@link LlmListener} documents the order. Runs on the caller's thread or on the loop. */
public interface CallListener {
    /** All endpoints that could serve the call are full; it waits in line. */
    default void waiting() {}

    /**
     * An attempt begins.
     *
     * @param attempt which
     * @param headers takes headers for its request, a trace context for instance
     * @return who is told about the rest of this attempt, or null for nobody
     */
    default @Nullable AttemptListener attemptStarted(AttemptInfo attempt, HeaderSink headers) {
        return null;
    }

    /**
     * The call ended. Comes exactly once, and nothing comes after it.
     *
     * @param end how
     */
    default void ended(CallEnd end) {}
}
