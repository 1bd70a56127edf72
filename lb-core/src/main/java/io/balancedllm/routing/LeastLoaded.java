/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;
import java.util.stream.IntStream;

/**
 * Picks the candidate with the least usual time to first token, times one and what is in flight there for its weight, of
 * all while they are few. Compares logarithms, so that a pick computes neither powers nor quotients.
 */
final class LeastLoaded implements RoutingPolicy {
    /** Seconds after which a sample counts e times less. */
    static final double MEMORY_SECONDS = 10;
    /** What an attempt that failed before its first token counts as at least, in seconds. */
    static final double FAILED_SECONDS = 1;
    /** Times below are taken for this, so that an endpoint that is very fast does not look free. */
    private static final double SHORTEST_SECONDS = 1e-3;

    private static final double LOG_SHORTEST = Math.log(SHORTEST_SECONDS);
    private static final double NANOS_PER_SECOND = 1e9;
    private static final double MEMORY_NANOS = MEMORY_SECONDS * NANOS_PER_SECOND;

    /** Of one and as many in flight. */
    private static final double[] LOG =
            IntStream.rangeClosed(1, 1_024).mapToDouble(Math::log).toArray();

    /** Of those of the last pick. An endpoint nothing is known about counts as that one, so that it is tried. */
    private volatile double logOfFastest = Double.POSITIVE_INFINITY;

    private final EndpointLocal<Average> averages = EndpointLocal.withInitial(endpoint -> new Average());

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        int size = candidates.size();
        int start = Scan.start(size, call.random());
        double age = call.nowNanos() / MEMORY_NANOS;
        DecisionTrace trace = call.trace();
        double lastFastest = logOfFastest;
        double unknown = lastFastest == Double.POSITIVE_INFINITY ? age : lastFastest;
        double fastest = Double.POSITIVE_INFINITY;
        double leastLoad = Double.POSITIVE_INFINITY;
        double weights = 0;
        long equals = 0;
        for (int i = 0; i < Scan.count(size); i++) {
            EndpointView candidate = candidates.get(Scan.place(i, size, start));
            double weight = candidate.weight();
            double log = candidate.local(averages).log;
            fastest = log < fastest ? log : fastest;
            double faded = (log == Double.POSITIVE_INFINITY ? unknown : log) - age;
            double usual = faded < LOG_SHORTEST ? LOG_SHORTEST : faded;
            double load = usual + logOfQueue(candidate.inFlight(), weight);
            if (trace.enabled()) {
                explain(trace, candidate, usual, load);
            }
            if (load < leastLoad) {
                leastLoad = load;
                equals = Ties.of(i);
                weights = weight;
            } else if (load == leastLoad) {
                equals |= Ties.of(i);
                weights += weight;
            }
        }
        if (fastest != lastFastest) {
            logOfFastest = fastest;
        }
        return Ties.draw(equals, weights, start, candidates, call);
    }

    private static double logOfQueue(int inFlight, double weight) {
        return weight == 1 && inFlight < LOG.length ? LOG[inFlight] : Math.log1p(inFlight / weight);
    }

    private static void explain(DecisionTrace trace, EndpointView candidate, double usual, double load) {
        trace.term(candidate, "usual time to first token in s", Math.exp(usual));
        trace.term(candidate, "that times (in flight / weight + 1)", Math.exp(load));
    }

    @Override
    public void observe(AttemptEvent event) {
        if (event instanceof AttemptEvent.FirstToken first) {
            first.endpoint().local(averages).add(first.sinceDispatchNanos() / NANOS_PER_SECOND, first.nanos());
        } else if (event instanceof AttemptEvent.Ended ended
                && ended.summary().outcome() == AttemptSummary.Outcome.FAILED) {
            double seconds = ended.summary().duration().toNanos() / NANOS_PER_SECOND;
            ended.endpoint().local(averages).add(Math.max(FAILED_SECONDS, seconds), ended.nanos());
        }
    }

    /** An average over time, which fades when nothing comes: a bad sample is not held against an endpoint for ever. */
    private static final class Average {
        private double seconds;
        private long nanos;
        /** Of the seconds, as if they had not faded since the clock stood at 0; infinite before the first sample. */
        private volatile double log = Double.POSITIVE_INFINITY;

        synchronized void add(double sample, long now) {
            double memory = Math.exp(-Math.max(0, now - nanos) / MEMORY_NANOS);
            seconds = Math.max(
                    SHORTEST_SECONDS, seconds == 0 ? sample : seconds * memory + Math.max(0, sample) * (1 - memory));
            nanos = now;
            log = Math.log(seconds) + now / MEMORY_NANOS;
        }
    }

    @Override
    public String toString() {
        return "leastLoaded()";
    }
}
