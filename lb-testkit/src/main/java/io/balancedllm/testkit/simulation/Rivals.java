/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.routing.RoutingPolicy;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Published routing rules, and bounds, to compare with in a {@link Simulation}. They run as policies of the real balancer,
 * on exact tokens, and some are told what no client knows; none is for production.
 *
 * <table>
 * <caption>The names</caption>
 * <tr><th>name<th>what it is
 * <tr><td>sglang<td>cache_aware of SGLang's gateway
 * <tr><td>aibrix<td>prefix-cache of AIBrix
 * <tr><td>llmd<td>queue, memory and prefix scorers of llm-d
 * <tr><td>dynamo<td>the cost of Dynamo's KV router, with exact cache events
 * <tr><td>lmetric<td>the product of LMetric
 * <tr><td>md<td>the ancestor of this library's rule, told the exact cost law
 * <tr><td>oracle<td>greedy with the exact state of the engines
 * <tr><td>pooled<td>a bound: one cache for all engines that forgets nothing
 * </table>
 */
public final class Rivals {
    private static final Map<String, Function<SimulatedFleet, RoutingPolicy>> BY_NAME = new LinkedHashMap<>();

    static {
        BY_NAME.put("sglang", SglangCacheAware::new);
        BY_NAME.put("aibrix", AibrixPrefixCache::new);
        BY_NAME.put("llmd", LlmdScorers::new);
        BY_NAME.put("dynamo", DynamoCost::new);
        BY_NAME.put("lmetric", LMetric::new);
        BY_NAME.put("md", MarginalDelay::new);
        BY_NAME.put("oracle", GreedyOracle::new);
        BY_NAME.put("pooled", PooledBound::new);
    }

    private Rivals() {}

    /**
     * {@return what {@link Simulation#run(Function, long)} takes to run a rival}
     *
     * @param name one of {@link #names()}
     * @throws IllegalArgumentException if there is none of this name; the message lists those there are
     */
    public static Function<SimulatedFleet, RoutingPolicy> named(String name) {
        Function<SimulatedFleet, RoutingPolicy> rival = BY_NAME.get(name);
        if (rival == null) {
            throw new IllegalArgumentException(
                    "no rival is named \"" + name + "\"; there are " + String.join(", ", names()));
        }
        return rival;
    }

    /** {@return the names that {@link #named} knows; unmodifiable} */
    public static List<String> names() {
        return List.copyOf(BY_NAME.keySet());
    }
}
