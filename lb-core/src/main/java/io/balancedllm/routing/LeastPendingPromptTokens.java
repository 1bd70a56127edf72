/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;

/** Picks the candidate with the fewest prompt tokens without a first token for its weight, of all while they are few. */
final class LeastPendingPromptTokens implements RoutingPolicy {
    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        DecisionTrace trace = call.trace();
        int size = candidates.size();
        int start = Scan.start(size, call.random());
        EndpointView least = candidates.get(start);
        double tokens = least.pendingPromptTokens();
        double inFlight = least.inFlight();
        double weight = least.weight();
        double weights = weight;
        long equals = Ties.of(0);
        explain(least, tokens, weight, trace);
        for (int i = 1; i < Scan.count(size); i++) {
            EndpointView candidate = candidates.get(Scan.place(i, size, start));
            double otherTokens = candidate.pendingPromptTokens();
            double otherWeight = candidate.weight();
            explain(candidate, otherTokens, otherWeight, trace);
            double difference = otherTokens * weight - tokens * otherWeight;
            if (difference > 0) {
                continue;
            }
            double otherInFlight = candidate.inFlight();
            if (difference == 0) {
                difference = otherInFlight * weight - inFlight * otherWeight;
            }
            if (difference == 0) {
                equals |= Ties.of(i);
                weights += otherWeight;
            } else if (difference < 0) {
                equals = Ties.of(i);
                weights = otherWeight;
                tokens = otherTokens;
                inFlight = otherInFlight;
                weight = otherWeight;
            }
        }
        return Ties.draw(equals, weights, start, candidates, call);
    }

    private static void explain(EndpointView candidate, double tokens, double weight, DecisionTrace trace) {
        if (trace.enabled()) {
            trace.term(candidate, "pending prompt tokens / weight", tokens / weight);
            trace.term(candidate, "in flight / weight", candidate.inFlight() / weight);
        }
    }

    @Override
    public String toString() {
        return "leastPendingPromptTokens()";
    }
}
