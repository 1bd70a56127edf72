/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class LeastPendingPromptTokensTest {
    private final RoutingPolicy policy = RoutingPolicies.leastPendingPromptTokens();

    @Test
    void theFewestTokensForTheWeightWin() {
        FakePool pool = FakePool.withWeights(1, 4, 1);
        pool.get(0).pendingPromptTokens = 1_000;
        pool.get(1).pendingPromptTokens = 2_000;
        pool.get(2).pendingPromptTokens = 600;

        assertThat(policy.pick(FakeCall.with(new NoRandom()), pool.all()).id()).isEqualTo("b");
    }

    @Test
    void ofEqualsTheOneWithFewerInFlightWins() {
        FakePool pool = FakePool.of(3);
        pool.get(0).inFlight.set(2);
        pool.get(1).inFlight.set(1);
        pool.get(2).inFlight.set(3);

        assertThat(policy.pick(FakeCall.with(new NoRandom()), pool.all()).id()).isEqualTo("b");
    }

    @Test
    void equalsAreDrawnByWeight() {
        FakePool pool = FakePool.withWeights(1, 3);

        // A count of 4,000 draws at 1/4 has a standard deviation of 27; the bound is 5 of them.
        assertThat(Picks.counts(policy, FakeCall.seeded(1), i -> pool.all(), 4_000)
                        .get("a"))
                .isBetween(863, 1_137);
    }
}
