/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;
import java.util.random.RandomGenerator;

/** Picks of two random candidates the one with fewer attempts in flight for its weight. */
final class PowerOfTwoChoices implements RoutingPolicy {
    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        if (candidates.size() == 1) {
            return candidates.get(0);
        }
        RandomGenerator random = call.random();
        int one = random.nextInt(candidates.size());
        int other = random.nextInt(candidates.size() - 1);
        if (other >= one) {
            other++;
        }
        EndpointView first = candidates.get(one);
        EndpointView second = candidates.get(other);
        double difference = load(first, call.trace()) - load(second, call.trace());
        if (difference == 0) {
            // The samples come in random order, but a tie between unequal weights is broken by weight.
            double weights = first.weight() + second.weight();
            return random.nextDouble() * weights < first.weight() ? first : second;
        }
        return difference < 0 ? first : second;
    }

    private static double load(EndpointView candidate, DecisionTrace trace) {
        double load = candidate.inFlight() / candidate.weight();
        if (trace.enabled()) {
            trace.term(candidate, "in flight / weight", load);
        }
        return load;
    }

    @Override
    public String toString() {
        return "powerOfTwoChoices()";
    }
}
