/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntFunction;

/** Runs picks and tells what they chose. */
final class Picks {
    private Picks() {}

    /** {@return the picks in a row, ids without a separator} */
    static String sequence(RoutingPolicy policy, Candidates candidates, int picks) {
        return sequence(policy, i -> candidates, picks);
    }

    static String sequence(RoutingPolicy policy, IntFunction<Candidates> candidates, int picks) {
        FakeCall call = FakeCall.seeded(1);
        StringBuilder ids = new StringBuilder();
        for (int i = 0; i < picks; i++) {
            ids.append(policy.pick(call, candidates.apply(i)).id());
        }
        return ids.toString();
    }

    static Map<String, Integer> counts(
            RoutingPolicy policy, FakeCall call, IntFunction<Candidates> candidates, int picks) {
        Map<String, Integer> counts = new TreeMap<>();
        for (int i = 0; i < picks; i++) {
            EndpointView picked = policy.pick(call, candidates.apply(i));
            counts.merge(picked.id(), 1, Integer::sum);
        }
        return counts;
    }
}
