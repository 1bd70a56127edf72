/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.endpoint.EndpointView;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LeastConnectionsTest {
    private final RoutingPolicy policy = RoutingPolicies.leastConnections();

    @Test
    void theFewestInFlightWinWithoutChance() {
        FakePool pool = FakePool.of(3);
        pool.get(0).inFlight.set(2);
        pool.get(1).inFlight.set(1);
        pool.get(2).inFlight.set(4);

        assertThat(policy.pick(FakeCall.with(new NoRandom()), pool.all()).id()).isEqualTo("b");
    }

    @Test
    void twiceTheWeightTakesTwiceTheLoad() {
        FakePool pool = FakePool.withWeights(2, 1);
        FakeCall call = FakeCall.seeded(1);
        for (int i = 0; i < 3_000; i++) {
            FakeEndpoint picked = (FakeEndpoint) policy.pick(call, pool.all());
            picked.inFlight.incrementAndGet();
        }

        assertThat(pool.get(0).inFlight).hasValueBetween(1_999, 2_001);
    }

    @Test
    void aSeededSequenceRepeats() {
        FakePool pool = FakePool.of(4);

        String sequence = Picks.sequence(policy, pool.all(), 24);
        assertThat(sequence).isEqualTo(Picks.sequence(policy, pool.all(), 24)).isEqualTo("cbabdaddddbbbcadcabacdac");
    }

    /**
     * Below one call at a time, counts are always equal, and a policy that takes the first of equals sends everything to
     * one endpoint. A count of 40,000 draws at 1/4 has a standard deviation of 87; the bound is 5 of them.
     */
    @Test
    void equalsAreDrawnUniformlySoThatAnIdlePoolIsUsedEvenly() {
        FakePool pool = FakePool.of(4);

        Map<String, Integer> counts = Picks.counts(policy, FakeCall.seeded(2), i -> pool.all(), 40_000);
        assertThat(counts.values()).hasSize(4).allSatisfy(n -> assertThat(n).isCloseTo(10_000, within(435)));
    }

    /** A count of 40,000 draws at 1/4 has a standard deviation of 87; the bound is 5 of them. */
    @Test
    void equalsAreDrawnInProportionToWeight() {
        FakePool pool = FakePool.withWeights(1, 2, 1);

        Map<String, Integer> counts = Picks.counts(policy, FakeCall.seeded(3), i -> pool.all(), 40_000);
        assertThat(counts.get("a")).isCloseTo(10_000, within(435));
        assertThat(counts.get("c")).isCloseTo(10_000, within(435));
    }

    @Test
    void theBusyAreLeftOutOfTheDraw() {
        FakePool pool = FakePool.of(4);
        pool.get(1).inFlight.set(1);

        assertThat(Picks.counts(policy, FakeCall.seeded(4), i -> pool.all(), 1_000))
                .containsOnlyKeys("a", "c", "d");
    }

    @Test
    void withFewerCallsThanEndpointsNoTwoShareOne() {
        FakePool pool = FakePool.of(8);
        FakeCall call = FakeCall.seeded(5);
        Deque<FakeEndpoint> running = new ArrayDeque<>();
        for (int i = 0; i < 10_000; i++) {
            FakeEndpoint picked = (FakeEndpoint) policy.pick(call, pool.all());
            assertThat(picked.inFlight.incrementAndGet()).isEqualTo(1);
            running.add(picked);
            if (running.size() == pool.size() - 1) {
                running.remove().inFlight.decrementAndGet();
            }
        }
    }

    @Test
    void readsEachCountOnceWhileTheyAreFew() {
        FakePool pool = FakePool.of(LeastConnections.FULL_SCAN_LIMIT);
        policy.pick(FakeCall.seeded(1), pool.all());

        assertThat(pool.loadReads()).isEqualTo(32);
    }

    @Test
    void readsTwoCountsWhenTheyAreMany() {
        FakePool pool = FakePool.of(LeastConnections.FULL_SCAN_LIMIT + 1);
        policy.pick(FakeCall.seeded(1), pool.all());

        assertThat(pool.loadReads()).isEqualTo(2);
    }

    @Test
    void explainsWhatItCompared() {
        FakePool pool = FakePool.withWeights(2, 1);
        pool.get(0).inFlight.set(3);
        pool.get(1).inFlight.set(1);
        FakeCall call = FakeCall.explained(1);
        EndpointView picked = policy.pick(call, pool.all());

        assertThat(picked.id()).isEqualTo("b");
        assertThat(call.terms).containsExactly(entry("a in flight / weight", 1.5), entry("b in flight / weight", 1.0));
    }

    @Test
    void tellsItsName() {
        assertThat(policy).hasToString("leastConnections()");
    }
}
