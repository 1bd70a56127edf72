/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import java.time.Duration;

/**
 * How long something took, over many times. Values are kept to two significant digits, so a quantile is at most 1 % above
 * the measured value it stands for; no time counts as longer than an hour. Immutable.
 *
 * @param count how many times were measured; all else is zero when this is
 * @param mean their mean
 * @param p50 half of them took at most this
 * @param p90 nine in ten took at most this
 * @param p99 ninety-nine in a hundred took at most this
 * @param max the longest
 */
public record LatencySummary(long count, Duration mean, Duration p50, Duration p90, Duration p99, Duration max) {
    /** Nothing was measured. */
    public static final LatencySummary EMPTY =
            new LatencySummary(0, Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO);

    @Override
    public String toString() {
        return count == 0
                ? "none"
                : "n=" + count + " mean=" + Text.millis(mean) + " p50=" + Text.millis(p50) + " p90=" + Text.millis(p90)
                        + " p99=" + Text.millis(p99) + " max=" + Text.millis(max);
    }
}
