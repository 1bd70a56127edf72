/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;
import java.time.Duration;
import java.util.Comparator;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Picks, of the candidates foreseen to bring the first token in time, the one that is cheapest by some measure; when none
 * is, the one foreseen to bring it first.
 */
final class SloAware implements RoutingPolicy {
    private static final double NANOS_PER_SECOND = 1e9;
    /** Share of the objective kept for what cannot be foreseen. */
    static final double MARGIN = 0.2;

    private final double seconds;
    private final @Nullable Map<String, Double> prices;
    private final double highestPrice;
    private final String description;

    private SloAware(Duration objective, @Nullable Map<String, Double> prices, String description) {
        if (objective.isNegative() || objective.isZero()) {
            throw new IllegalArgumentException("the time to first token must be positive, got " + objective);
        }
        this.seconds = (objective.getSeconds() + objective.getNano() / NANOS_PER_SECOND) * (1 - MARGIN);
        this.prices = prices;
        this.highestPrice = prices == null
                ? 0
                : prices.values().stream().max(Comparator.naturalOrder()).orElse(0.0);
        this.description = description;
    }

    /** The cheapest is the one that has the least to compute. */
    static SloAware leastWork(Duration objective) {
        return new SloAware(objective, null, "sloAware(" + objective + ")");
    }

    /** The cheapest is the one with the lowest price; of equal prices, the one that has the least to compute. */
    static SloAware lowestPrice(Map<String, Double> prices, Duration objective) {
        if (prices.isEmpty()) {
            throw new IllegalArgumentException("prices must name at least one endpoint");
        }
        prices.forEach((endpoint, price) -> {
            if (price == null || !(price >= 0) || price.isInfinite()) {
                throw new IllegalArgumentException("the price of endpoint \"" + endpoint
                        + "\" must be a finite number of at least 0, got " + price);
            }
        });
        Map<String, Double> sorted = new TreeMap<>(prices);
        return new SloAware(objective, Map.copyOf(prices), "costAware(" + shown(sorted) + ", " + objective + ")");
    }

    private static String shown(Map<String, Double> prices) {
        return prices.size() <= 3 ? prices.toString() : prices.size() + " prices";
    }

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        long now = call.nowNanos();
        EndpointView best = candidates.get(0);
        boolean bestInTime = false;
        double bestPrice = Double.POSITIVE_INFINITY;
        double bestSeconds = Double.POSITIVE_INFINITY;
        int equals = 0;
        for (int i = 0; i < candidates.size(); i++) {
            EndpointView candidate = candidates.get(i);
            double own = call.prefillSeconds(candidate);
            double first = candidate.pendingPrefillSeconds(now) + own;
            boolean inTime = first <= seconds;
            double price = inTime ? price(candidate) : 0;
            double compared = inTime ? own : first;
            if (call.trace().enabled()) {
                call.trace().term(candidate, "foreseen time to first token in s", first);
                call.trace().term(candidate, "computing in s", own);
                if (prices != null) {
                    call.trace().term(candidate, "price", price(candidate));
                }
            }
            int order = order(inTime, bestInTime, price, bestPrice, compared, bestSeconds);
            if (order < 0) {
                best = candidate;
                bestInTime = inTime;
                bestPrice = price;
                bestSeconds = compared;
                equals = 1;
            } else if (order == 0 && fewer(call, candidate, best, ++equals)) {
                best = candidate;
            }
        }
        return best;
    }

    private static int order(
            boolean inTime, boolean bestInTime, double price, double bestPrice, double compared, double bestCompared) {
        if (inTime != bestInTime) {
            return inTime ? -1 : 1;
        }
        int byPrice = Double.compare(price, bestPrice);
        return byPrice != 0 ? byPrice : Double.compare(compared, bestCompared);
    }

    /** Of equals the one with fewer attempts in flight for its weight; chance between the rest. */
    private static boolean fewer(RoutingContext call, EndpointView one, EndpointView other, int equals) {
        double difference = one.inFlight() / one.weight() - other.inFlight() / other.weight();
        return difference < 0 || (difference == 0 && call.random().nextInt(equals) == 0);
    }

    private double price(EndpointView endpoint) {
        Map<String, Double> known = prices;
        return known == null ? 0 : known.getOrDefault(endpoint.id(), highestPrice);
    }

    @Override
    public String toString() {
        return description;
    }
}
