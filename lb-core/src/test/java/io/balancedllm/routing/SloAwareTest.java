/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SloAwareTest {
    private final FakePool pool = FakePool.of(3);
    private final FakeCall call = FakeCall.with(new NoRandom());

    SloAwareTest() {
        call.promptTokens = 10_000; // computes a second where nothing is cached
        call.cached.put("a", 8_000);
        pool.get(0).pendingPrefillSeconds = 1;
        pool.get(1).pendingPrefillSeconds = 0.1;
        pool.get(2).pendingPrefillSeconds = 0.3;
    }

    private String pick(RoutingPolicy policy) {
        return policy.pick(call, pool.all()).id();
    }

    @Test
    void theLeastToComputeWinsAmongThoseInTime() {
        assertThat(pick(RoutingPolicies.sloAware(Duration.ofSeconds(2)))).isEqualTo("a");
    }

    @Test
    void theFirstWinsWhenNoneIsInTime() {
        assertThat(pick(RoutingPolicies.sloAware(Duration.ofSeconds(1)))).isEqualTo("b");
    }

    @Test
    void theCheapestWinsAmongThoseInTime() {
        Map<String, Double> prices = Map.of("a", 3.0, "b", 2.0, "c", 0.5);

        assertThat(pick(RoutingPolicies.costAware(prices))).isEqualTo("c");
        pool.get(2).pendingPrefillSeconds = 0.7;
        assertThat(pick(RoutingPolicies.costAware(prices))).isEqualTo("b");
    }

    @Test
    void anEndpointWithoutAPriceCostsAsMuchAsTheDearest() {
        assertThat(pick(RoutingPolicies.costAware(Map.of("b", 1.0, "zzz", 2.0))))
                .isEqualTo("b");
    }

    @Test
    void pricesThatAreNoNumbersAreRefusedByName() {
        for (double price : new double[] {Double.NaN, -1, Double.POSITIVE_INFINITY}) {
            assertThatThrownBy(() -> RoutingPolicies.costAware(Map.of("gpu-1", price)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("gpu-1")
                    .hasMessageContaining(String.valueOf(price));
        }
        assertThatThrownBy(() -> RoutingPolicies.costAware(Map.of())).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> RoutingPolicies.sloAware(Duration.ZERO)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void equalsAreDrawn() {
        FakePool equal = FakePool.of(4);
        RoutingPolicy policy = RoutingPolicies.sloAware(Duration.ofSeconds(1));

        // A count of 4,000 draws at 1/4 has a standard deviation of 27; the bound is 5 of them.
        assertThat(Picks.counts(policy, FakeCall.seeded(1), i -> equal.all(), 4_000)
                        .values())
                .hasSize(4)
                .allSatisfy(n -> assertThat(n).isBetween(863, 1_137));
    }
}
