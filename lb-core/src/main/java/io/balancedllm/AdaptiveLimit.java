/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.resilience.AdmissionControl;
import java.time.Duration;

/**
 * How many attempts an endpoint takes at a time, found by trying: additive increase, multiplicative decrease on the time
 * to first token. One late token in as many as the limit is answered, because those behind it in the same queue are late
 * for the same reason. Thread-safe.
 */
final class AdaptiveLimit {
    private final long targetNanos;
    private double limit = AdmissionControl.FIRST_LIMIT;
    private int untilDecrease;
    private volatile int current = AdmissionControl.FIRST_LIMIT;

    AdaptiveLimit(Duration target) {
        this.targetNanos = target.toNanos();
    }

    int current() {
        return current;
    }

    /**
     * A first token came.
     *
     * @param inFlight attempts running there, this one included
     * @param ceiling what the limit never exceeds
     * @return whether there is more room now
     */
    synchronized boolean firstToken(long timeToFirstTokenNanos, int inFlight, int ceiling) {
        untilDecrease--;
        if (timeToFirstTokenNanos > targetNanos) {
            decrease();
            return false;
        }
        int before = current;
        if (inFlight >= before) { // a limit nobody reaches says nothing about what would happen above it
            limit = Math.min(ceiling, limit + 1 / limit);
            current = (int) limit;
        }
        return current > before;
    }

    /** The endpoint said that it has too much to do, or showed no token in time. */
    synchronized void overloaded() {
        decrease();
    }

    private void decrease() {
        if (untilDecrease <= 0) {
            limit = Math.max(1, limit * AdmissionControl.DECREASE);
            current = (int) limit;
            untilDecrease = current;
        }
    }

    @Override
    public String toString() {
        return "AdaptiveLimit{" + current + "}";
    }
}
