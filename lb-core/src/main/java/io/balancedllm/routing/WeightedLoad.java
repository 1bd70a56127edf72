/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;

/** What policies that go by in-flight counts compare: attempts in flight over weight. Every count is read once a pick. */
final class WeightedLoad {
    private WeightedLoad() {}

    static double of(EndpointView candidate, DecisionTrace trace) {
        double inFlight = candidate.inFlight();
        double weight = candidate.weight();
        explain(candidate, inFlight, weight, trace);
        return inFlight / weight;
    }

    static void explain(EndpointView candidate, double inFlight, double weight, DecisionTrace trace) {
        if (trace.enabled()) {
            trace.term(candidate, "in flight / weight", inFlight / weight);
        }
    }
}
