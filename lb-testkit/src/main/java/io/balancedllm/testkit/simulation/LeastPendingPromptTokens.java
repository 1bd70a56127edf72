/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.AttemptEvent;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;

/**
 * For comparison: sends each call where the fewest prompt tokens wait for their first token, fewer attempts in flight
 * deciding between equals, and chance between the rest. Prompt tokens are those of the {@link SimulatedPrompt}, cached or
 * not.
 *
 * <p>Not thread-safe, so only for simulations: a pick does not know its call, and an event not its request, so each
 * dispatch is taken to be that of the oldest pick not yet dispatched.
 */
public final class LeastPendingPromptTokens implements RoutingPolicy {
    private final EndpointLocal<long[]> pending = EndpointLocal.withInitial(endpoint -> new long[1]);
    private final Queue<Integer> picked = new ArrayDeque<>();
    private final Map<String, Integer> waiting = new HashMap<>();

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        EndpointView least = candidates.get(0);
        int equals = 1;
        for (int i = 1; i < candidates.size(); i++) {
            EndpointView candidate = candidates.get(i);
            int order = compare(candidate, least);
            equals = order < 0 ? 1 : equals + (order == 0 ? 1 : 0);
            if (order < 0 || (order == 0 && call.random().nextInt(equals) == 0)) {
                least = candidate;
            }
        }
        int tokens = call.request()
                .flatMap(SimulatedPrompt::of)
                .map(SimulatedPrompt::tokens)
                .orElse(0);
        least.local(pending)[0] += tokens;
        picked.add(tokens);
        return least;
    }

    private int compare(EndpointView left, EndpointView right) {
        int byTokens = Long.compare(left.local(pending)[0], right.local(pending)[0]);
        return byTokens != 0 ? byTokens : Integer.compare(left.inFlight(), right.inFlight());
    }

    @Override
    public void observe(AttemptEvent event) {
        String attempt = event.callId() + "#" + event.attempt();
        if (event instanceof AttemptEvent.Dispatched) {
            waiting.put(attempt, picked.remove());
        } else {
            Integer tokens = waiting.remove(attempt);
            if (tokens != null) {
                event.endpoint().local(pending)[0] -= tokens;
            }
        }
    }

    @Override
    public String toString() {
        return "leastPendingPromptTokens()";
    }
}
