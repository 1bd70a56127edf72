/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;
import java.util.Optional;

/** Picks the first in the ranking of a call's key, of those not overloaded when loads are bounded. */
final class ConsistentHash implements RoutingPolicy {
    /** How far above its share of the attempts in flight an endpoint may go. */
    static final double LOAD_FACTOR = 1.25;
    /** Attempts an endpoint may always have: while there are few, the share would leave room for one. */
    static final int LEAST_CAPACITY = 4;

    private final HashKey key;
    private final boolean bounded;
    private final Rendezvous rendezvous = new Rendezvous();
    private final RoutingPolicy withoutKey = new LeastConnections();

    ConsistentHash(HashKey key, boolean bounded) {
        this.key = key;
        this.bounded = bounded;
    }

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        Optional<String> text = key.of(call);
        if (text.isEmpty()) {
            return withoutKey.pick(call, candidates);
        }
        long hash = Rendezvous.hash(text.get());
        double perWeight = bounded ? capacityPerWeight(candidates) : 0;
        EndpointView first = null;
        double best = Double.NEGATIVE_INFINITY;
        EndpointView firstWithRoom = null;
        double bestWithRoom = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < candidates.size(); i++) {
            EndpointView candidate = candidates.get(i);
            double score = rendezvous.score(hash, candidate);
            boolean room = !bounded
                    || candidate.inFlight() < Math.max(LEAST_CAPACITY, Math.ceil(perWeight * candidate.weight()));
            if (call.trace().enabled()) {
                call.trace().term(candidate, "rank score (most wins)", score);
                call.trace().term(candidate, "has room (1 = yes)", room ? 1 : 0);
            }
            if (first == null || score > best) {
                first = candidate;
                best = score;
            }
            if (room && (firstWithRoom == null || score > bestWithRoom)) {
                firstWithRoom = candidate;
                bestWithRoom = score;
            }
        }
        // Counts that move during the pick may show all without room.
        return firstWithRoom != null ? firstWithRoom : first != null ? first : candidates.get(0);
    }

    private static double capacityPerWeight(Candidates candidates) {
        long inFlight = 0;
        double weights = 0;
        for (int i = 0; i < candidates.size(); i++) {
            inFlight += candidates.get(i).inFlight();
            weights += candidates.get(i).weight();
        }
        return LOAD_FACTOR * (inFlight + 1) / weights;
    }

    @Override
    public String toString() {
        return (bounded ? "boundedLoadHash(" : "consistentHash(") + key + ")";
    }
}
