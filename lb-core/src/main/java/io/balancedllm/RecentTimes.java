/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.Arrays;

/** A quantile of the latest times, of {@value #WINDOW} at most. Thread-safe; sorts once in {@value #STEP} times. */
final class RecentTimes {
    private static final int WINDOW = 256;
    private static final int STEP = 16;

    private final double quantile;
    private final int leastSamples;
    private final long[] times = new long[WINDOW];
    private long count;
    /** The quantile as of the last step, -1 while there are too few times. */
    private volatile long value = -1;

    RecentTimes(double quantile, int leastSamples) {
        this.quantile = quantile;
        this.leastSamples = leastSamples;
    }

    void add(long nanos) {
        synchronized (times) {
            times[(int) (count++ % WINDOW)] = nanos;
            if (count >= leastSamples && (value < 0 || count % STEP == 0)) {
                long[] sorted = Arrays.copyOf(times, (int) Math.min(count, WINDOW));
                Arrays.sort(sorted);
                value = sorted[Math.min(sorted.length - 1, (int) (quantile * sorted.length))];
            }
        }
    }

    /** {@return the quantile in nanoseconds, -1 while it rests on too few times} */
    long value() {
        return value;
    }
}
