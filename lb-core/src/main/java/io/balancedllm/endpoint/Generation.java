/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

/** A running attempt. Both methods may be called from any thread, take constant time and never block. */
public interface Generation {
    /** A generation that has ended already: asking and cancelling do nothing. */
    Generation ENDED = new Generation() {
        @Override
        public void request(int chunks) {}

        @Override
        public void cancel() {}
    };

    /**
     * Allows this many more chunks. Requests add up; {@link Integer#MAX_VALUE} lifts the limit for good. A generation
     * without allowance pauses: it stops reading from its socket, or skips its turn in the engine.
     *
     * @param chunks how many more, at least 1
     */
    void request(int chunks);

    /**
     * Stops the generation as soon as possible: a remote one by closing the connection, one in process at the next
     * step. The sink still gets its one terminal call, {@link GenerationSink#cancelled()} unless another came first.
     * Idempotent.
     */
    void cancel();
}
