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
        double inFlight = Double.POSITIVE_INFINITY;
        double weight = 1;
        double weights = 0;
        long equals = 0;
        for (int i = 0; i < candidates.size(); i++) {
            EndpointView candidate = candidates.get(i);
            double otherInFlight = candidate.inFlight();
            double otherWeight = candidate.weight();
            if (trace.enabled()) {
                trace.term(candidate, "in flight / weight", otherInFlight / otherWeight);
            }
            double difference = otherInFlight * weight - inFlight * otherWeight; // of quotients, without dividing
            if (difference == 0) {
                equals |= Ties.of(i);
                weights += otherWeight;
            } else if (difference < 0) {
                equals = Ties.of(i);
                weights = otherWeight;
                inFlight = otherInFlight;
                weight = otherWeight;
            }
        }
        return Ties.draw(equals, weights, 0, candidates, call);
    }

    @Override
    public String toString() {
        return "leastConnections()";
    }
}
