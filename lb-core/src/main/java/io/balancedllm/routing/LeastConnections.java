/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;

/** Picks a candidate with the fewest attempts in flight for its weight, by looking at all of them while they are few. */
final class LeastConnections implements RoutingPolicy {
    /**
     * Up to how many candidates are looked at. Above, a scan costs more than it gains, and clients that share a fleet
     * would all see the same minimum.
     */
    static final int FULL_SCAN_LIMIT = 32;

    private final PowerOfTwoChoices sampled = new PowerOfTwoChoices();

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        return candidates.size() > FULL_SCAN_LIMIT ? sampled.pick(call, candidates) : leastOfAll(call, candidates);
    }

    private static EndpointView leastOfAll(RoutingContext call, Candidates candidates) {
        DecisionTrace trace = call.trace();
        EndpointView least = candidates.get(0);
        double inFlight = least.inFlight();
        double weight = least.weight();
        double weightOfEquals = weight;
        long chance = 0;
        WeightedLoad.explain(least, inFlight, weight, trace);
        int size = candidates.size();
        for (int i = 1; i < size; i++) {
            EndpointView candidate = candidates.get(i);
            double otherInFlight = candidate.inFlight();
            double otherWeight = candidate.weight();
            WeightedLoad.explain(candidate, otherInFlight, otherWeight, trace);
            double difference = otherInFlight * weight - inFlight * otherWeight;
            if (difference > 0) {
                continue;
            }
            if (difference < 0) {
                weightOfEquals = 0;
            } else {
                chance = chance == 0 ? Ties.seed(call.random()) : Ties.next(chance);
            }
            weightOfEquals += otherWeight;
            if (difference < 0 || Ties.takes(chance, otherWeight, weightOfEquals)) {
                least = candidate;
                inFlight = otherInFlight;
                weight = otherWeight;
            }
        }
        return least;
    }

    @Override
    public String toString() {
        return "leastConnections()";
    }
}
