/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;

/**
 * The routing policies that come with the library. Each call makes a new policy with its own state; all of them are
 * thread-safe, neither lock nor block, and allocate nothing in a pick. Give a balancer one of its own.
 */
public final class RoutingPolicies {
    /** Within this, an endpoint is fast enough for {@link #costAware(Map)}. */
    public static final Duration COST_AWARE_TIME_TO_FIRST_TOKEN = Duration.ofSeconds(2);

    private static final Map<String, Supplier<RoutingPolicy>> BY_NAME = new LinkedHashMap<>();

    static {
        BY_NAME.put("prefixAffinity", RoutingPolicies::prefixAffinity);
        BY_NAME.put("favourTimeToFirstToken", RoutingPolicies::favourTimeToFirstToken);
        BY_NAME.put("favourCompletionTime", RoutingPolicies::favourCompletionTime);
        BY_NAME.put("leastPendingPromptTokens", RoutingPolicies::leastPendingPromptTokens);
        BY_NAME.put("leastConnections", RoutingPolicies::leastConnections);
        BY_NAME.put("powerOfTwoChoices", RoutingPolicies::powerOfTwoChoices);
        BY_NAME.put("roundRobin", RoutingPolicies::roundRobin);
        BY_NAME.put("weightedRoundRobin", RoutingPolicies::weightedRoundRobin);
        BY_NAME.put("random", RoutingPolicies::random);
        BY_NAME.put("leastLoaded", RoutingPolicies::leastLoaded);
        BY_NAME.put("sessionAffinity", RoutingPolicies::sessionAffinity);
        BY_NAME.put("prefixSum", RoutingPolicies::prefixSum);
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
     * {@return a policy that sends each call where the fewest prompt tokens wait for their first token, for the endpoint's
     * weight}
     *
     * <p>Of equals, the one with fewer attempts in flight for its weight; chance decides between the rest, in proportion
     * to weight. Tokens are counted by the balancer's encoder and belong to attempts of this balancer.
     *
     * <p><b>When:</b> prompts differ in length and share little. Of the rules that know nothing of caches it is the best:
     * on a recorded chat workload it kept up with 3.4 times the rate of {@link #leastConnections()} at the same tail of
     * times to first token.
     *
     * <p><b>Ignores:</b> what endpoints have cached, how long answers are, how fast endpoints are unless weights say so,
     * and what other clients send there.
     */
    public static RoutingPolicy leastPendingPromptTokens() {
        return new LeastPendingPromptTokens();
    }

    /**
     * {@return a policy that sends each call where it costs everybody least, what endpoints have cached taken into account}
     *
     * <p>For each candidate it adds up, in seconds: how long the call would wait there (for prompts sent before, and for KV
     * memory); how long the part of its prompt that is not cached there would compute, times a price that rises from 1.5
     * to 8 as the endpoints get busy; a surcharge when its first token would come far later than is usual; and a small
     * price for slowing down what is being decoded there, which fades when endpoints do not differ in what they have
     * cached. What many endpoints have cached already costs less to copy to another. The lowest sum wins, equals are drawn. All is counted or learned by this balancer: nothing is set for a
     * model or a GPU. There is no threshold, so affinity neither overloads an endpoint nor vanishes under pressure.
     *
     * <p>The default of {@link io.balancedllm.BalancedLlm.Builder}. Of more than 64 candidates it weighs the two that have most
     * cached and 32 drawn at random.
     *
     * <p><b>When:</b> prompts share prefixes: conversations, agents, system prompts, tenants. When they share nothing, it
     * is close to {@link #leastPendingPromptTokens()}.
     *
     * <p><b>Ignores:</b> weights (it learns speeds), and what other clients send there beyond what the engines' cached
     * tokens tell.
     */
    public static RoutingPolicy prefixAffinity() {
        return new PrefixAffinity(PrefixAffinity.Favour.BOTH);
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
     * {@return {@link #prefixAffinity()} with a fixed small price on decoding}
     *
     * <p><b>When:</b> the tail of times to first token matters more than how long answers take. 3 % better there, 4 % to 8 %
     * worse in the time to the end. <b>Ignores:</b> as {@link #prefixAffinity()}.
     */
    public static RoutingPolicy favourTimeToFirstToken() {
        return new PrefixAffinity(PrefixAffinity.Favour.TIME_TO_FIRST_TOKEN);
    }

    /**
     * {@return {@link #prefixAffinity()} with a fixed high price on decoding}
     *
     * <p><b>When:</b> answers are read as a whole, so that the time to the end matters more than that to the first token.
     * <b>Ignores:</b> as {@link #prefixAffinity()}.
     */
    public static RoutingPolicy favourCompletionTime() {
        return new PrefixAffinity(PrefixAffinity.Favour.COMPLETION_TIME);
    }

    /**
     * {@return a policy that sends each call where the usual time to first token, times one and what is in flight there for
     * the endpoint's weight, is least}
     *
     * <p>The usual time is an average that forgets in 10 seconds and fades when nothing comes, so an endpoint that was slow
     * is tried again. One that has not answered yet counts as the fastest. An attempt that fails counts as at least one
     * second, so that failing fast does not look like speed.
     *
     * <p><b>When:</b> endpoints differ in speed for reasons nobody has told: their neighbours, their network.
     *
     * <p><b>Ignores:</b> prompt lengths, what is cached, and how long answers are: the whole duration of a call would measure
     * that instead of load.
     *
     * <p>Source: the load of Finagle's {@code p2cPeakEwma}, with the mean in place of the peak, which jumps up to every slower
     * sample: on calls whose prompts differ in length it follows the longest prompt, and was the worst of all rules measured.
     */
    public static RoutingPolicy leastLoaded() {
        return new LeastLoaded();
    }

    /**
     * {@return a policy that sends a session's calls where its last one went}
     *
     * <p>A session moves when its endpoint is no candidate, or has twice its share of the attempts in flight (and at least
     * 4); then, and at first, it goes where the fewest are in flight for the weight. 65,536 sessions are remembered, newer
     * ones in place of older. Calls without a session, too, go where the fewest are in flight.
     *
     * <p><b>When:</b> conversations, and prompts are not to be looked at; or state is kept behind the endpoint.
     *
     * <p><b>Ignores:</b> prompts, and prefixes that sessions share.
     */
    public static RoutingPolicy sessionAffinity() {
        return new SessionAffinity();
    }

    /**
     * {@return {@link #leastPendingPromptTokens()} that places calls given together so that all endpoints end up with about
     * the same pending prompt tokens for their weight}
     *
     * <p>Neighbours in the batch go to the same endpoint, so a batch in the order of its prefixes keeps them together. No
     * endpoint gets more than half the longest prompt above the common level on either side of its part. Takes time linear
     * in calls and endpoints.
     *
     * <p><b>When:</b> {@code completeAll} with many calls. Calls that come alone are routed as by
     * {@link #leastPendingPromptTokens()}.
     *
     * <p><b>Ignores:</b> what is cached, how long answers are.
     */
    public static RoutingPolicy prefixSum() {
        return new PrefixSum();
    }

    /**
     * {@return a policy that sends all calls of a key to the same endpoint while the endpoints stay the same}
     *
     * <p>Rendezvous hashing, in proportion to weight: when an endpoint leaves, only its keys move, each to the next in its own
     * ranking. Balancers that do not know of each other agree. Calls without the key go where the fewest are in flight.
     *
     * <p><b>When:</b> several balancers must send a key to the same place without talking; and no key is a large part of the
     * load.
     *
     * <p><b>Ignores:</b> load, so one key can fill an endpoint; see {@link #boundedLoadHash}.
     *
     * <p>Source: Thaler and Ravishankar, <i>Using Name-Based Mappings to Increase Hit Rates</i>, IEEE/ACM Transactions on
     * Networking 6(1), 1998.
     *
     * @param key what is hashed
     */
    public static RoutingPolicy consistentHash(HashKey key) {
        return new ConsistentHash(Objects.requireNonNull(key, "key"), false);
    }

    /**
     * {@return {@link #consistentHash} that leaves out endpoints with more than 1.25 times their share of the attempts in
     * flight}
     *
     * <p>A key goes to the first in its ranking with room. There is always room for 4 attempts, since 1.25 times the share of
     * one endpoint of many, while there is little load, would be 1: then affinity is gone when it costs nothing.
     *
     * <p><b>When:</b> as {@link #consistentHash}, and some keys are large.
     *
     * <p><b>Ignores:</b> how long prompts and answers are.
     *
     * <p>Source: Mirrokni, Thorup and Zadimoghaddam, <i>Consistent Hashing with Bounded Loads</i>, SODA 2018; with a ranking
     * for each key in place of the ring, and a floor.
     *
     * @param key what is hashed
     */
    public static RoutingPolicy boundedLoadHash(HashKey key) {
        return new ConsistentHash(Objects.requireNonNull(key, "key"), true);
    }

    /**
     * {@return a policy that keeps the time to first token below an objective with the least computing}
     *
     * <p>Of the candidates foreseen to bring the first token within 80 % of the objective, by the prompts that wait there and
     * what of this prompt is not cached, it takes the one with the least to compute; when there is none, the one foreseen to
     * be first. Fewer attempts in flight, then chance, decide between equals.
     *
     * <p><b>When:</b> there is an objective, and time beyond it is worth nothing.
     *
     * <p><b>Ignores:</b> how fast tokens follow the first, and what other clients send there.
     *
     * @param timeToFirstToken the objective, positive
     */
    public static RoutingPolicy sloAware(Duration timeToFirstToken) {
        return SloAware.leastWork(timeToFirstToken);
    }

    /**
     * {@return a policy that takes the cheapest endpoint that is fast enough}
     *
     * <p>As {@link #sloAware}, but of the candidates in time it takes the one with the lowest price. The objective is
     * {@link #COST_AWARE_TIME_TO_FIRST_TOKEN}.
     *
     * <p><b>When:</b> endpoints have different prices: spot and reserved, own and rented.
     *
     * <p><b>Ignores:</b> how many tokens a call will cost; prices are compared, not sums.
     *
     * @param prices by endpoint id, in any unit; finite, at least 0. Endpoints without one cost as much as the dearest
     */
    public static RoutingPolicy costAware(Map<String, Double> prices) {
        return costAware(prices, COST_AWARE_TIME_TO_FIRST_TOKEN);
    }

    /**
     * {@return {@link #costAware(Map)} with an objective of its own}
     *
     * @param prices by endpoint id
     * @param timeToFirstToken what is fast enough, positive
     */
    public static RoutingPolicy costAware(Map<String, Double> prices, Duration timeToFirstToken) {
        return SloAware.lowestPrice(prices, timeToFirstToken);
    }

    /**
     * {@return a policy that lets another one route a share of the calls, and counts what becomes of both parts}
     *
     * <p><b>When:</b> a policy is to be tried on real traffic. The two share the endpoints, so what one does to caches and
     * queues the other one feels. <b>Ignores:</b> nothing of its own.
     *
     * @param control routes the rest
     * @param candidate routes the share
     * @param share 0 to 1
     */
    public static Canary canary(RoutingPolicy control, RoutingPolicy candidate, double share) {
        return new Canary(control, candidate, share);
    }

    /**
     * {@return a policy that routes as {@code live}, and counts how often {@code observed} would have gone elsewhere}
     *
     * <p><b>When:</b> a policy is to be judged before it routes anything. It sees the state that the live policy makes, not the
     * one it would have made itself. <b>Ignores:</b> nothing of its own. A pick costs both.
     *
     * @param live routes
     * @param observed is asked only
     */
    public static Shadow shadow(RoutingPolicy live, RoutingPolicy observed) {
        return new Shadow(live, observed);
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
