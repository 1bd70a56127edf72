/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The routing policies that come with the library. Each call makes a new policy with its own state; all of them are
 * thread-safe, neither lock nor block, and allocate nothing in a pick. Give a balancer one of its own.
 */
public final class RoutingPolicies {
    private static final Map<String, Supplier<RoutingPolicy>> BY_NAME = new LinkedHashMap<>();

    static {
        BY_NAME.put("leastConnections", RoutingPolicies::leastConnections);
        BY_NAME.put("powerOfTwoChoices", RoutingPolicies::powerOfTwoChoices);
        BY_NAME.put("roundRobin", RoutingPolicies::roundRobin);
        BY_NAME.put("weightedRoundRobin", RoutingPolicies::weightedRoundRobin);
        BY_NAME.put("random", RoutingPolicies::random);
    }

    private RoutingPolicies() {}

    /**
     * {@return a policy that sends each call where the fewest attempts are in flight for the endpoint's weight}
     *
     * <p>Compares attempts in flight over weight, as nginx's {@code least_conn} does; the counts are this balancer's own
     * and exact. Among equals one is drawn at random, in proportion to weight, so an idle pool is used evenly. Up to 32
     * candidates all are looked at; above, it is {@link #powerOfTwoChoices()}.
     *
     * <p><b>When:</b> calls differ in length, which those to LLMs do, and prompts share little. The safe choice.
     *
     * <p><b>Ignores:</b> how long prompts are, what endpoints have cached, how fast they are unless weights say so, and
     * what other clients send there.
     */
    public static RoutingPolicy leastConnections() {
        return new LeastConnections();
    }

    /**
     * {@return a policy that draws two candidates and takes the one with fewer attempts in flight for its weight}
     *
     * <p>Two draws from different candidates, each as likely as any other; equals are decided at random, in proportion to
     * weight. The two draws bound the share of an endpoint: of n candidates, the one with the largest weight gets at most
     * 2 of n calls.
     *
     * <p><b>When:</b> there are many endpoints, or many clients share them: clients that all go for the minimum they see
     * herd, and those that draw do not. A pick costs the same for any number of candidates.
     *
     * <p><b>Ignores:</b> the same as {@link #leastConnections()}.
     *
     * <p>Source: Mitzenmacher, <i>The Power of Two Choices in Randomized Load Balancing</i>, IEEE Transactions on
     * Parallel and Distributed Systems 12(10), 2001.
     */
    public static RoutingPolicy powerOfTwoChoices() {
        return new PowerOfTwoChoices();
    }

    /**
     * {@return a policy that takes the endpoints in turn: each call goes to the candidate picked longest ago}
     *
     * <p>While the candidates stay the same they take turns in the order of the pool. Calls for different models may come
     * with different candidates in any mixture: of any n calls that an endpoint of a pool of n is a candidate for, it
     * gets at least one. An endpoint that is new, or was away, is picked once and then waits for its turn.
     *
     * <p><b>When:</b> calls cost about the same (embeddings, classification), or a sequence is to be foreseen in a test.
     *
     * <p><b>Ignores:</b> load, weight, and everything about the call.
     */
    public static RoutingPolicy roundRobin() {
        return new RoundRobin();
    }

    /**
     * {@return a policy that takes the endpoints in turn, in proportion to their weights}
     *
     * <p>Turns of one endpoint are spread out, not bunched: weights 5, 1, 1 give {@code a a b a c a a}. A pick is shared
     * out over the candidates of its own call, so an endpoint keeps its share of the calls it can serve, in any mixture
     * of calls that others cannot serve: in a pool of n it is never more than n - 1 picks ahead of that share or behind it,
     * and less than one pick while the candidates stay the same. An endpoint that was away is due nothing for its
     * absence. A changed weight counts from the next pick on. A pick writes to every candidate, where
     * {@link #roundRobin()} writes to one.
     *
     * <p><b>When:</b> endpoints differ in speed by known factors, and calls cost about the same.
     *
     * <p><b>Ignores:</b> load, and everything about the call.
     *
     * <p>Source: the smooth weighted round robin of nginx (2012), with shares of each call in place of weights. To stay
     * fair while the candidates change is the carpool problem: Fagin and Williams, <i>A Fair Carpool Scheduling
     * Algorithm</i>, IBM Journal of Research and Development 27(2), 1983; Ajtai et al., <i>Fairness in Scheduling</i>,
     * Journal of Algorithms 29(2), 1998.
     */
    public static RoutingPolicy weightedRoundRobin() {
        return new WeightedRoundRobin();
    }

    /**
     * {@return a policy that takes any candidate, each as likely as any other}
     *
     * <p><b>When:</b> something to compare a policy with, or many clients with few calls each.
     *
     * <p><b>Ignores:</b> everything: load, weight, and the call.
     */
    public static RoutingPolicy random() {
        return new UniformRandom();
    }

    /**
     * {@return a new policy by the name of its method here, for command lines and configuration files}
     *
     * @param name one of {@link #names()}, in the same case
     * @throws IllegalArgumentException if no policy has this name; the message lists those there are
     */
    public static RoutingPolicy named(String name) {
        Supplier<RoutingPolicy> policy = BY_NAME.get(name);
        if (policy == null) {
            throw new IllegalArgumentException(
                    "no routing policy is named \"" + name + "\"; there are " + String.join(", ", names()));
        }
        return policy.get();
    }

    /** {@return the names that {@link #named} knows; unmodifiable} */
    public static List<String> names() {
        return List.copyOf(BY_NAME.keySet());
    }
}
