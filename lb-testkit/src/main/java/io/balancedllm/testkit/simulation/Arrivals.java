/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** When the requests of a trace come in a simulation. */
final class Arrivals {
    private static final double NANOS_PER_SECOND = 1e9;

    private Arrivals() {}

    /**
     * {@return nanoseconds from the start, in the order of the trace}
     *
     * @param trace whose requests
     * @param rate mean requests a second to stretch or squeeze the trace to, which must have a duration then; null to
     *     leave it as it is
     * @param spread the seed to spread requests of one timestamp with, uniformly until the next timestamp: traces round
     *     their times; null to leave them together
     */
    static long[] nanos(Trace trace, @Nullable Double rate, @Nullable Long spread) {
        double factor = rate == null ? 1 : trace.recordedRate() / rate;
        double[] seconds = trace.requests().stream()
                .mapToDouble(TraceRequest::arrivalSeconds)
                .toArray();
        if (spread != null) {
            spread(seconds, trace.requests(), new SplittableRandom(spread));
        }
        return Arrays.stream(seconds)
                .mapToLong(at -> Math.round(at * factor * NANOS_PER_SECOND))
                .toArray();
    }

    private static void spread(double[] seconds, List<TraceRequest> requests, SplittableRandom random) {
        double gap = 0;
        int end;
        for (int start = 0; start < seconds.length; start = end) {
            double base = requests.get(start).arrivalSeconds();
            end = start + 1;
            while (end < seconds.length && requests.get(end).arrivalSeconds() == base) {
                end++;
            }
            if (end < seconds.length) {
                gap = requests.get(end).arrivalSeconds() - base; // the last group takes the gap before it
            }
            if (end - start > 1) {
                for (int i = start; i < end; i++) {
                    seconds[i] = base + random.nextDouble() * gap;
                }
                Arrays.sort(seconds, start, end);
            }
        }
    }
}
