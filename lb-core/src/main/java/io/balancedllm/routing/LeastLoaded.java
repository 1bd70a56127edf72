/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;

/** Picks the candidate with the least usual time to first token, times one and what is in flight there for its weight. */
final class LeastLoaded implements RoutingPolicy {
    /** Seconds after which a sample counts e times less. */
    static final double MEMORY_SECONDS = 10;
    /** What an attempt that failed before its first token counts as at least, in seconds. */
    static final double FAILED_SECONDS = 1;
    /** Times below are taken for this, so that an endpoint that is very fast does not look free. */
    private static final double SHORTEST_SECONDS = 1e-3;

    private static final double NANOS_PER_SECOND = 1e9;

    private final EndpointLocal<Average> averages = EndpointLocal.withInitial(endpoint -> new Average());

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        long now = call.nowNanos();
        double unknown = shortest(candidates, now);
        EndpointView least = candidates.get(0);
        double leastLoad = load(least, unknown, now, call.trace());
        double weightOfEquals = least.weight();
        for (int i = 1; i < candidates.size(); i++) {
            EndpointView candidate = candidates.get(i);
            double load = load(candidate, unknown, now, call.trace());
            if (load < leastLoad) {
                least = candidate;
                leastLoad = load;
                weightOfEquals = candidate.weight();
            } else if (load == leastLoad) {
                weightOfEquals += candidate.weight();
                if (call.random().nextDouble() * weightOfEquals < candidate.weight()) {
                    least = candidate;
                }
            }
        }
        return least;
    }

    /** An endpoint nothing is known about counts as the fastest one, so that it is tried. */
    private double shortest(Candidates candidates, long now) {
        double shortest = Double.POSITIVE_INFINITY;
        for (int i = 0; i < candidates.size(); i++) {
            double seconds = candidates.get(i).local(averages).seconds(now);
            if (seconds > 0) {
                shortest = Math.min(shortest, seconds);
            }
        }
        return shortest == Double.POSITIVE_INFINITY ? 1 : shortest;
    }

    private double load(EndpointView candidate, double unknown, long now, DecisionTrace trace) {
        double seconds = candidate.local(averages).seconds(now);
        double usual = seconds > 0 ? seconds : unknown;
        double load = usual * (candidate.inFlight() / candidate.weight() + 1);
        if (trace.enabled()) {
            trace.term(candidate, "usual time to first token in s", usual);
            trace.term(candidate, "that times (in flight / weight + 1)", load);
        }
        return load;
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
        private volatile double seconds;
        private volatile long nanos;

        double seconds(long now) {
            double known = seconds;
            return known == 0 ? 0 : Math.max(SHORTEST_SECONDS, known * memory(now));
        }

        private double memory(long now) {
            return Math.exp(-Math.max(0, now - nanos) / NANOS_PER_SECOND / MEMORY_SECONDS);
        }

        synchronized void add(double sample, long now) {
            double memory = memory(now);
            double before = seconds;
            seconds = Math.max(
                    SHORTEST_SECONDS, before == 0 ? sample : before * memory + Math.max(0, sample) * (1 - memory));
            nanos = now;
        }
    }

    @Override
    public String toString() {
        return "leastLoaded()";
    }
}
