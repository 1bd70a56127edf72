/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A clock that stands still until it is moved. Thread-safe.
 *
 * <pre>{@code
 * FakeTicker ticker = new FakeTicker();
 * ticker.advance(Duration.ofSeconds(30));
 * }</pre>
 */
public final class FakeTicker implements Ticker {
    private final AtomicLong nanos;

    /** A clock that shows 0. */
    public FakeTicker() {
        this(0);
    }

    /** A clock that shows this time; start near {@link Long#MAX_VALUE} to see that only differences are used. */
    public FakeTicker(long startNanos) {
        nanos = new AtomicLong(startNanos);
    }

    @Override
    public long nanos() {
        return nanos.get();
    }

    /** Moves the clock forward; not backward. */
    public void advance(Duration by) {
        if (by.isNegative()) {
            throw new IllegalArgumentException("a monotonic clock does not go back, got " + by);
        }
        nanos.addAndGet(by.toNanos());
    }

    /** Moves the clock to this time unless it is past it already. */
    void advanceTo(long target) {
        nanos.accumulateAndGet(target, (now, then) -> then - now > 0 ? then : now);
    }

    @Override
    public String toString() {
        return "FakeTicker{" + Duration.ofNanos(nanos()) + "}";
    }
}
