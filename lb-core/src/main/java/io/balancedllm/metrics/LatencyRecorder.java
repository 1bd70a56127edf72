/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.AbstractHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.IntCountsHistogram;
import org.jspecify.annotations.Nullable;

/**
 * One latency: a histogram of all values and one for each of the last {@value #WINDOWS} windows. Thread-safe: the lock is
 * held for one increment, or for the copy a snapshot works on. Histograms grow with the largest value, up to 27 kB for
 * the total and 14 kB for a window; nothing is allocated before the first value.
 */
final class LatencyRecorder {
    /** Significant decimal digits that are kept. */
    static final int SIGNIFICANT_DIGITS = 2;

    /** Length of a window. */
    static final Duration WINDOW = Duration.ofSeconds(10);

    /** Windows that are kept, the running one included. */
    static final int WINDOWS = 3;

    /** What longer values count as; bounds the histograms. */
    static final Duration LONGEST = Duration.ofHours(1);

    private static final long WINDOW_NANOS = WINDOW.toNanos();
    private static final long LONGEST_MICROS = TimeUnit.NANOSECONDS.toMicros(LONGEST.toNanos());

    private final Ticker ticker;
    private final long startNanos;
    private @Nullable Histogram total;
    private final @Nullable Window[] windows = new Window[WINDOWS];

    LatencyRecorder(Ticker ticker) {
        this.ticker = ticker;
        startNanos = ticker.nanos();
    }

    /** Records a value; a negative one says that there was none. */
    void record(long nanos) {
        if (nanos < 0) {
            return;
        }
        long micros = Math.min(TimeUnit.NANOSECONDS.toMicros(nanos), LONGEST_MICROS);
        long number = windowNumber();
        synchronized (this) {
            if (total == null) {
                total = new Histogram(SIGNIFICANT_DIGITS);
            }
            total.recordValue(micros);
            Window window = windows[slot(number)];
            if (window == null) {
                window = new Window(number);
                windows[slot(number)] = window;
            } else if (window.number < number) {
                window.histogram.reset();
                window.number = number;
            }
            // A thread that was slow between clock and lock finds its window reused; its value counts in the newer one.
            window.histogram.recordValue(micros);
        }
    }

    LatencyStatistics snapshot() {
        long number = windowNumber();
        Histogram all;
        IntCountsHistogram recent = new IntCountsHistogram(SIGNIFICANT_DIGITS);
        synchronized (this) {
            if (total == null) {
                return LatencyStatistics.EMPTY;
            }
            all = total.copy();
            for (Window window : windows) {
                if (window != null && window.number > number - WINDOWS) {
                    recent.add(window.histogram);
                }
            }
        }
        return new LatencyStatistics(summary(all), summary(recent));
    }

    private long windowNumber() {
        return (ticker.nanos() - startNanos) / WINDOW_NANOS;
    }

    private static int slot(long number) {
        return (int) (number % WINDOWS);
    }

    private static LatencySummary summary(AbstractHistogram histogram) {
        if (histogram.getTotalCount() == 0) {
            return LatencySummary.EMPTY;
        }
        return new LatencySummary(
                histogram.getTotalCount(),
                micros(Math.round(histogram.getMean())),
                micros(histogram.getValueAtPercentile(50)),
                micros(histogram.getValueAtPercentile(90)),
                micros(histogram.getValueAtPercentile(99)),
                micros(histogram.getMaxValue()));
    }

    private static Duration micros(long micros) {
        return Duration.ofNanos(TimeUnit.MICROSECONDS.toNanos(micros));
    }

    private static final class Window {
        private long number;
        private final IntCountsHistogram histogram = new IntCountsHistogram(SIGNIFICANT_DIGITS);

        private Window(long number) {
            this.number = number;
        }
    }
}
