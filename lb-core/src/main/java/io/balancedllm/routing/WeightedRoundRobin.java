/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Keeps for each endpoint its credit: the share of picks it was due, by weight, each time it was a candidate, less the
 * picks it got. Every pick credits all candidates their shares and goes to the one with the most credit, which pays the
 * sum of the shares. While the candidates stay the same, this is nginx's smooth weighted round robin.
 *
 * <p>Credits are bounded: among n endpoints no k of them hold more than k (n - k) picks together. A pick that goes to one
 * of the k does not raise their sum. One that goes to d outside, with m among the k its candidate of no more credit, gives
 * twice their new sum &lt;= (sum with d) + (sum without m) + 2 &lt;= (k+1)(n-k-1) + (k-1)(n-k+1) + 2 = 2 k (n-k). All of them
 * hold 0 together, so one holds at most n - 1 and owes at most n - 1.
 *
 * <p>Rejected: stride scheduling. It compares how often endpoints were picked at all. When one of them also serves calls
 * the others cannot, it runs ahead, and the bound that keeps an endpoint that was away from being flooded then lifts all
 * others to one level, where weights are forgotten. Credit does not move while an endpoint is no candidate, so it needs
 * no such bound.
 */
final class WeightedRoundRobin implements RoutingPolicy {
    /** Credit of one pick. Shares are rounded to 1 of this, and what is paid is the sum of the rounded shares. */
    private static final double ONE_PICK = 1L << 40;

    private final EndpointLocal<AtomicLong> credit = EndpointLocal.withInitial(endpoint -> new AtomicLong());

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        long price = creditShares(candidates);
        while (true) {
            int best = 0;
            AtomicLong bestCell = candidates.get(0).local(credit);
            long bestCredit = bestCell.get();
            for (int i = 1; i < candidates.size(); i++) {
                AtomicLong cell = candidates.get(i).local(credit);
                long value = cell.get();
                if (value > bestCredit) {
                    best = i;
                    bestCell = cell;
                    bestCredit = value;
                }
            }
            // Fails only when a pick at the same time credited or chose the same endpoint: then look again.
            if (bestCell.compareAndSet(bestCredit, bestCredit - price)) {
                EndpointView picked = candidates.get(best);
                if (call.trace().enabled()) {
                    explain(call.trace(), candidates, picked, bestCredit);
                }
                return picked;
            }
        }
    }

    /** {@return the sum of the shares that were credited} */
    private long creditShares(Candidates candidates) {
        double weights = 0;
        for (int i = 0; i < candidates.size(); i++) {
            weights += candidates.get(i).weight();
        }
        long price = 0;
        for (int i = 0; i < candidates.size(); i++) {
            EndpointView candidate = candidates.get(i);
            // At least 1, so that even a weight too small for the scale has its turn at last.
            long share = Math.max(1, Math.round(candidate.weight() / weights * ONE_PICK));
            candidate.local(credit).addAndGet(share);
            price += share;
        }
        return price;
    }

    private void explain(DecisionTrace trace, Candidates candidates, EndpointView picked, long creditOfPicked) {
        for (EndpointView candidate : candidates) {
            long value = candidate == picked
                    ? creditOfPicked
                    : candidate.local(credit).get();
            trace.term(candidate, "credit in picks (most wins)", (double) value / ONE_PICK);
        }
    }

    @Override
    public String toString() {
        return "weightedRoundRobin()";
    }
}
