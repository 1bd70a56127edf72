/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/**
 * Picks the endpoint that the session went to last, unless that one has much more than its share in flight.
 *
 * <p>Sessions are kept in a table of fixed size, in sets of four places: a session's hash in one word, its endpoint's number
 * in the next. The two are written apart; a reader that meets a half-written place takes a wrong home for one call.
 */
final class SessionAffinity implements RoutingPolicy {
    /** Sessions that are remembered; a newer one takes the place of an older one. */
    static final int SESSIONS = 65_536;
    /** How many times its share of the attempts in flight an endpoint may have before sessions leave it. */
    static final double LOAD_FACTOR = 2;
    /** Attempts in flight that no session leaves for. */
    static final int LEAST_CAPACITY = 4;

    private static final int WAYS = 4;

    private final AtomicLongArray table = new AtomicLongArray(2 * SESSIONS);
    private final AtomicLong numbers = new AtomicLong();
    private final EndpointLocal<Long> number = EndpointLocal.withInitial(endpoint -> numbers.incrementAndGet());
    private final RoutingPolicy elsewhere = new LeastConnections();

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        Optional<String> session = HashKey.SESSION.of(call);
        if (session.isEmpty()) {
            return elsewhere.pick(call, candidates);
        }
        long key = Rendezvous.hash(session.get()) | 1; // 0 is an empty place
        int place = find(key);
        EndpointView home = place < 0 ? null : home(table.get(place + 1), call.trace(), candidates);
        if (home != null) {
            return home;
        }
        EndpointView picked = elsewhere.pick(call, candidates);
        int at = place < 0 ? placeFor(key) : place;
        table.set(at + 1, picked.local(number));
        table.set(at, key);
        return picked;
    }

    private @Nullable EndpointView home(long wanted, DecisionTrace trace, Candidates candidates) {
        EndpointView home = null;
        long inFlight = 0;
        double weights = 0;
        for (int i = 0; i < candidates.size(); i++) {
            EndpointView candidate = candidates.get(i);
            inFlight += candidate.inFlight();
            weights += candidate.weight();
            boolean is = candidate.local(number) == wanted;
            if (is) {
                home = candidate;
            }
            if (trace.enabled()) {
                trace.term(candidate, "home of the session (1 = yes)", is ? 1 : 0);
            }
        }
        if (home == null) {
            return null;
        }
        double share = (inFlight + 1) * home.weight() / weights;
        return home.inFlight() < Math.max(LEAST_CAPACITY, LOAD_FACTOR * share) ? home : null;
    }

    private static int set(long key) {
        return (int) (key >>> 33) % (SESSIONS / WAYS) * 2 * WAYS;
    }

    private int find(long key) {
        int set = set(key);
        for (int i = set; i < set + 2 * WAYS; i += 2) {
            if (table.get(i) == key) {
                return i;
            }
        }
        return -1;
    }

    private int placeFor(long key) {
        int set = set(key);
        for (int i = set; i < set + 2 * WAYS; i += 2) {
            if (table.get(i) == 0) {
                return i;
            }
        }
        return set + 2 * (int) (key >>> 1 & WAYS - 1);
    }

    @Override
    public String toString() {
        return "sessionAffinity()";
    }
}
