/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** How many chunks may still be handed on. One thread takes and waits, any other adds, in constant time. */
final class Demand {
    private final AtomicLong allowed = new AtomicLong();
    private volatile @Nullable Thread waiting;

    /** Allows more; {@link Integer#MAX_VALUE} lifts the limit for good. */
    void add(int chunks) {
        if (chunks < 1) {
            throw new IllegalArgumentException("chunks must be at least 1, got " + chunks);
        }
        allowed.accumulateAndGet(
                chunks,
                (now, more) -> more == Integer.MAX_VALUE || now == Long.MAX_VALUE ? Long.MAX_VALUE : now + more);
        wake();
    }

    /** Lets the waiting thread look again whether it is still to wait. */
    void wake() {
        LockSupport.unpark(waiting);
    }

    /**
     * Takes one, waiting for it.
     *
     * @return false when {@code stop} said so, or the thread was interrupted, before there was one
     */
    boolean take(BooleanSupplier stop) {
        waiting = Thread.currentThread();
        try {
            while (!stop.getAsBoolean()) {
                long now = allowed.get();
                if (now == Long.MAX_VALUE || (now > 0 && allowed.compareAndSet(now, now - 1))) {
                    return true;
                }
                if (now == 0) {
                    if (Thread.currentThread().isInterrupted()) {
                        return false;
                    }
                    LockSupport.park(this);
                }
            }
            return false;
        } finally {
            waiting = null;
        }
    }
}
