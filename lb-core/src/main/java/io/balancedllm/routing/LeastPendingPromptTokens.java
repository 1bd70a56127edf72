/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;

/** Picks the candidate with the fewest prompt tokens without a first token for its weight. */
final class LeastPendingPromptTokens implements RoutingPolicy {
    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        EndpointView least = candidates.get(0);
        double leastTokens = tokens(least, call.trace());
        double leastCalls = least.inFlight() / least.weight();
        double weightOfEquals = least.weight();
        for (int i = 1; i < candidates.size(); i++) {
            EndpointView candidate = candidates.get(i);
            double tokens = tokens(candidate, call.trace());
            double calls = candidate.inFlight() / candidate.weight();
            if (tokens < leastTokens || (tokens == leastTokens && calls < leastCalls)) {
                least = candidate;
                leastTokens = tokens;
                leastCalls = calls;
                weightOfEquals = candidate.weight();
            } else if (tokens == leastTokens && calls == leastCalls) {
                weightOfEquals += candidate.weight();
                if (call.random().nextDouble() * weightOfEquals < candidate.weight()) {
                    least = candidate;
                }
            }
        }
        return least;
    }

    private static double tokens(EndpointView candidate, DecisionTrace trace) {
        double tokens = candidate.pendingPromptTokens() / candidate.weight();
        if (trace.enabled()) {
            trace.term(candidate, "pending prompt tokens / weight", tokens);
            trace.term(candidate, "in flight / weight", candidate.inFlight() / candidate.weight());
        }
        return tokens;
    }

    @Override
    public String toString() {
        return "leastPendingPromptTokens()";
    }
}
