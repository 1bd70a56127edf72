/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Picks the candidate whose last pick is longest ago.
 *
 * <p>Not a counter modulo the number of candidates: the candidates change from call to call (models, capacity, retries),
 * and a counter that other calls move, too, can then meet the same endpoint every time and another one never.
 */
final class RoundRobin implements RoutingPolicy {
    private final AtomicLong picks = new AtomicLong();

    /** The number of the pick that last chose the endpoint, counted from 1; 0 before its first. */
    private final EndpointLocal<AtomicLong> lastPick = EndpointLocal.withInitial(endpoint -> new AtomicLong());

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        while (true) {
            int oldest = 0;
            AtomicLong oldestCell = candidates.get(0).local(lastPick);
            long oldestPick = oldestCell.get();
            for (int i = 1; i < candidates.size(); i++) {
                AtomicLong cell = candidates.get(i).local(lastPick);
                long pick = cell.get();
                if (pick < oldestPick) {
                    oldest = i;
                    oldestCell = cell;
                    oldestPick = pick;
                }
            }
            // Fails only when a pick at the same time chose the same endpoint: then another one is the oldest.
            if (oldestCell.compareAndSet(oldestPick, picks.incrementAndGet())) {
                EndpointView picked = candidates.get(oldest);
                if (call.trace().enabled()) {
                    explain(call.trace(), candidates, picked, oldestPick);
                }
                return picked;
            }
        }
    }

    private void explain(DecisionTrace trace, Candidates candidates, EndpointView picked, long pick) {
        for (EndpointView candidate : candidates) {
            long last = candidate == picked ? pick : candidate.local(lastPick).get();
            trace.term(candidate, "last pick", (double) last);
        }
    }

    @Override
    public String toString() {
        return "roundRobin()";
    }
}
