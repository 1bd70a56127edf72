/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

import org.jspecify.annotations.Nullable;

/**
 * Is told about calls and about the pool. Thread-safe. An exception thrown by a listener is logged and harms no call.
 *
 * <p>For each call, in this order and one at a time:
 *
 * <pre>{@code callStarted (waiting? attemptStarted accepted? firstToken? attempt ended)* waiting? call ended}</pre>
 *
 * <p>A hedged call has two attempts at a time; what is told of each keeps its order, {@code attemptStarted accepted?
 * firstToken? ended}, and all of it comes before the call's end.
 *
 * <p>A call that is given a cached answer, or shares that of an equal call, has no attempts. A call whose generation goes on
 * for others after its caller has left ends, for its listener, with that generation.
 *
 * <p>An attempt's lease is released, its backend cancelled and its end counted before its listener hears of the end.
 */
public interface LlmListener {
    /**
     * A call begins. Runs on the caller's thread, where its trace context is visible.
     *
     * @param call what is called
     * @return who is told about the rest of this call, or null for nobody
     */
    default @Nullable CallListener callStarted(CallInfo call) {
        return null;
    }

    /**
     * The pool changed.
     *
     * @param event how
     */
    default void poolChanged(PoolEvent event) {}
}
