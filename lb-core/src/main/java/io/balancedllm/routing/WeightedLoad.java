/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;

/** What policies that go by in-flight counts compare: attempts in flight over weight. Every count is read once a pick. */
final class WeightedLoad {
    private WeightedLoad() {}

    static double of(EndpointView candidate, DecisionTrace trace) {
        double load = candidate.inFlight() / candidate.weight();
        if (trace.enabled()) {
            trace.term(candidate, "in flight / weight", load);
        }
        return load;
    }
}
