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
        EndpointView least = candidates.get(0);
        double leastLoad = WeightedLoad.of(least, call.trace());
        double weightOfEquals = least.weight();
        for (int i = 1; i < candidates.size(); i++) {
            EndpointView candidate = candidates.get(i);
            double load = WeightedLoad.of(candidate, call.trace());
            if (load < leastLoad) {
                least = candidate;
                leastLoad = load;
                weightOfEquals = candidate.weight();
            } else if (load == leastLoad) {
                // Reservoir sampling: after each step the pick is any of the equals seen so far, by weight.
                weightOfEquals += candidate.weight();
                if (call.random().nextDouble() * weightOfEquals < candidate.weight()) {
                    least = candidate;
                }
            }
        }
        return least;
    }

    @Override
    public String toString() {
        return "leastConnections()";
    }
}
