/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.contract;

import io.balancedllm.routing.HashKey;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** One policy of each factory of {@link RoutingPolicies}, those with parameters included. */
public final class EveryPolicy {
    private static final Map<String, Supplier<RoutingPolicy>> POLICIES = new LinkedHashMap<>();

    static {
        for (String name : RoutingPolicies.names()) {
            POLICIES.put(name, () -> RoutingPolicies.named(name));
        }
        POLICIES.put("consistentHash", () -> RoutingPolicies.consistentHash(HashKey.SESSION));
        POLICIES.put("boundedLoadHash", () -> RoutingPolicies.boundedLoadHash(HashKey.SESSION));
        POLICIES.put("sloAware", () -> RoutingPolicies.sloAware(Duration.ofSeconds(1)));
        POLICIES.put("costAware", () -> RoutingPolicies.costAware(Map.of("e1", 0.2, "e2", 0.1)));
        POLICIES.put(
                "canary",
                () -> RoutingPolicies.canary(RoutingPolicies.roundRobin(), RoutingPolicies.prefixAffinity(), 0.5));
        POLICIES.put(
                "shadow",
                () -> RoutingPolicies.shadow(RoutingPolicies.leastConnections(), RoutingPolicies.prefixAffinity()));
    }

    private EveryPolicy() {}

    /** {@return the names of the factories} */
    public static List<String> names() {
        return List.copyOf(POLICIES.keySet());
    }

    /** {@return a new policy of this factory} */
    public static RoutingPolicy named(String name) {
        Supplier<RoutingPolicy> policy = POLICIES.get(name);
        if (policy == null) {
            throw new IllegalArgumentException("no policy is named " + name);
        }
        return policy.get();
    }
}
