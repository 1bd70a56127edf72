/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;
import static org.assertj.core.api.Assertions.within;

import java.util.Map;
import org.junit.jupiter.api.Test;

class PowerOfTwoChoicesTest {
    private final RoutingPolicy policy = RoutingPolicies.powerOfTwoChoices();

    @Test
    void ofTwoCandidatesTheOneWithFewerInFlightAlwaysWins() {
        FakePool pool = FakePool.of(2);
        pool.get(0).inFlight.set(1);

        assertThat(Picks.counts(policy, FakeCall.seeded(1), i -> pool.all(), 1_000))
                .containsOnly(entry("b", 1_000));
    }

    @Test
    void aSingleCandidateNeedsNoChanceAndNoCount() {
        FakePool pool = FakePool.of(1);

        assertThat(policy.pick(FakeCall.with(new NoRandom()), pool.all()).id()).isEqualTo("a");
        assertThat(pool.loadReads()).isZero();
    }

    @Test
    void aSeededSequenceRepeats() {
        FakePool pool = FakePool.of(4);

        String sequence = Picks.sequence(policy, pool.all(), 24);
        assertThat(sequence).isEqualTo(Picks.sequence(policy, pool.all(), 24)).isEqualTo("cadaabddcbdbcaccaddbbdac");
    }

    /**
     * With loads 0, 1, 2, 3 the k-th least loaded of four wins when it is drawn and none before it is: 3, 2, 1 and 0 of the
     * 6 pairs. Were the samples not distinct, the last would win 1 of 16. The standard deviation of a count is at most
     * sqrt(60,000 / 4) = 123; the bound is 5 of them.
     */
    @Test
    void theSamplesAreDistinctAndEveryPairIsAsLikely() {
        FakePool pool = FakePool.of(4);
        for (int i = 0; i < 4; i++) {
            pool.get(i).inFlight.set(i);
        }

        Map<String, Integer> counts = Picks.counts(policy, FakeCall.seeded(2), i -> pool.all(), 60_000);
        assertThat(counts).containsOnlyKeys("a", "b", "c");
        assertThat(counts.get("a")).isCloseTo(30_000, within(615));
        assertThat(counts.get("b")).isCloseTo(20_000, within(615));
        assertThat(counts.get("c")).isCloseTo(10_000, within(615));
    }

    /** A count of 40,000 draws at 1/4 has a standard deviation of 87; the bound is 5 of them. */
    @Test
    void equalsAreDrawnUniformly() {
        FakePool pool = FakePool.of(4);

        Map<String, Integer> counts = Picks.counts(policy, FakeCall.seeded(3), i -> pool.all(), 40_000);
        assertThat(counts.values()).hasSize(4).allSatisfy(n -> assertThat(n).isCloseTo(10_000, within(435)));
    }

    /** A count of 40,000 draws at 1/4 has a standard deviation of 87; the bound is 5 of them. */
    @Test
    void equalsAreDrawnInProportionToWeight() {
        FakePool pool = FakePool.withWeights(1, 3);

        Map<String, Integer> counts = Picks.counts(policy, FakeCall.seeded(4), i -> pool.all(), 40_000);
        assertThat(counts.get("a")).isCloseTo(10_000, within(435));
    }

    @Test
    void halfTheCountAtAQuarterOfTheWeightIsTheHigherLoad() {
        FakePool pool = FakePool.withWeights(4, 1);
        pool.get(0).inFlight.set(4);
        pool.get(1).inFlight.set(2);

        assertThat(Picks.counts(policy, FakeCall.seeded(5), i -> pool.all(), 100))
                .containsOnly(entry("a", 100));
    }

    /**
     * n calls that never end, thrown at n endpoints: with two choices the fullest holds log2(log2 n) + O(1), which for
     * 10,000 is 3.7 + O(1) (Mitzenmacher measured 4); one choice would give about 7.
     */
    @Test
    void theFullestOfManyEndpointsHoldsFew() {
        int endpoints = 10_000;
        FakePool pool = FakePool.of(endpoints);
        Candidates all = pool.all();
        FakeCall call = FakeCall.seeded(6);
        int fullest = 0;
        for (int i = 0; i < endpoints; i++) {
            FakeEndpoint picked = (FakeEndpoint) policy.pick(call, all);
            fullest = Math.max(fullest, picked.inFlight.incrementAndGet());
        }

        assertThat(fullest).isBetween(3, 4);
    }

    @Test
    void readsTwoCountsOfAnyNumber() {
        FakePool pool = FakePool.of(1_000);
        policy.pick(FakeCall.seeded(7), pool.all());

        assertThat(pool.loadReads()).isEqualTo(2);
    }

    @Test
    void explainsTheTwoItCompared() {
        FakePool pool = FakePool.of(2);
        pool.get(0).inFlight.set(3);
        FakeCall call = FakeCall.explained(1);
        policy.pick(call, pool.all());

        assertThat(call.terms).containsOnly(entry("a in flight / weight", 3.0), entry("b in flight / weight", 0.0));
    }

    @Test
    void tellsItsName() {
        assertThat(policy).hasToString("powerOfTwoChoices()");
    }
}
