/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;

/** A call as its caller holds it, and as the room knows it while it has not ended. All methods return at once. */
interface Ongoing {
    String id();

    Operation operation();

    /** Begins, on the caller's thread; once. */
    void start();

    /** The reader has taken this many chunks more. */
    void demand(int chunks);

    /** The caller wants no more of it. */
    void cancel(String why);

    /** Ends it with a failure. */
    void abort(LlmException failure);

    /** A drain ran out of time: an attempt on that endpoint has to end. */
    default void evict(PoolMember member) {}

    /** An endpoint is silent and answers no probe. */
    default void suspected(PoolMember member) {}

    /** {@return the call a batch placement may choose an endpoint for} */
    Call placeable();
}
