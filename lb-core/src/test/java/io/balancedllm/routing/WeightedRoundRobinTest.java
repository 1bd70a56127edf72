/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.endpoint.EndpointView;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;

class WeightedRoundRobinTest {
    private final RoutingPolicy policy = RoutingPolicies.weightedRoundRobin();

    @Test
    void turnsOfTheHeaviestAreSpreadOutAsNginxDoesIt() {
        assertThat(Picks.sequence(policy, FakePool.withWeights(5, 1, 1).all(), 14))
                .isEqualTo("aabacaaaabacaa");
    }

    @Test
    void equalWeightsTakeTurnsInTheOrderOfThePool() {
        assertThat(Picks.sequence(policy, FakePool.withWeights(7, 7, 7).all(), 7))
                .isEqualTo("abcabca");
    }

    @Test
    void onlyTheProportionOfWeightsMatters() {
        assertThat(Picks.sequence(policy, FakePool.withWeights(0.75, 0.25).all(), 8))
                .isEqualTo(Picks.sequence(
                        RoutingPolicies.weightedRoundRobin(),
                        FakePool.withWeights(3e200, 1e200).all(),
                        8))
                .isEqualTo("aabaaaba");
    }

    @Test
    void noEndpointIsEverAPickAwayFromItsShareWhileTheCandidatesStayTheSame() {
        double[] weights = {10, 7, 2.5, 1, 0.3};
        double sum = Arrays.stream(weights).sum();
        FakePool pool = FakePool.withWeights(weights);
        FakeCall call = FakeCall.seeded(1);
        int[] picks = new int[weights.length];
        double furthest = 0;
        for (int i = 1; i <= 50_000; i++) {
            picks[policy.pick(call, pool.all()).id().charAt(0) - 'a']++;
            for (int e = 0; e < weights.length; e++) {
                furthest = Math.max(furthest, Math.abs(picks[e] - i * weights[e] / sum));
            }
        }

        assertThat(furthest).isLessThan(1);
    }

    @Test
    void twoModelsWithTheirOwnEndpointsKeepTheirWeights() {
        FakePool pool = FakePool.withWeights(3, 1, 1, 3);
        Candidates modelA = pool.only(0, 1);
        Candidates modelB = pool.only(2, 3);

        assertThat(Picks.sequence(policy, i -> i % 2 == 0 ? modelA : modelB, 16))
                .isEqualTo("adacbdadadacbdad");
    }

    /** The case in which stride scheduling with a bound on the lag forgets the weights of b and c. */
    @Test
    void anEndpointBusyWithOtherCallsDoesNotDisturbTheProportionOfTheRest() {
        FakePool pool = FakePool.withWeights(1, 4, 1);
        Candidates onlyA = pool.only(0);
        Candidates all = pool.all();

        Map<String, Integer> counts = Picks.counts(policy, FakeCall.seeded(1), i -> i % 10 == 0 ? all : onlyA, 60_000);
        assertThat(counts).containsOnly(entry("a", 54_000 + 1_000), entry("b", 4_000), entry("c", 1_000));
    }

    @Test
    void creditStaysWithinThePoolSizeLessOneWhicheverListsCallsComeWith() {
        int size = 6;
        FakePool pool = FakePool.withWeights(100, 30, 5, 5, 1, 0.5);
        Random random = new Random(11);
        FakeCall call = FakeCall.seeded(11);
        double[] credit = new double[size];
        double furthest = 0;
        for (int i = 0; i < 50_000; i++) {
            Candidates candidates = pool.some(random);
            double sum = candidates.stream().mapToDouble(EndpointView::weight).sum();
            EndpointView picked = policy.pick(call, candidates);
            for (int c = 0; c < candidates.size(); c++) {
                EndpointView candidate = candidates.get(c);
                credit[candidates.ordinal(c)] += candidate.weight() / sum - (candidate == picked ? 1 : 0);
            }
            furthest = Math.max(
                    furthest, Arrays.stream(credit).map(Math::abs).max().orElseThrow());
        }

        assertThat(furthest).isBetween(1.0, size - 1.0);
    }

    @Test
    void anEndpointThatWasAwayIsDueNothingForItsAbsence() {
        FakePool pool = FakePool.of(3);
        Picks.sequence(policy, pool.all(), 3);
        Picks.sequence(policy, pool.only(0, 2), 1_000);

        assertThat(Picks.sequence(policy, pool.all(), 6)).isEqualTo("abcabc");
    }

    @Test
    void anEndpointThatJoinsIsDueNothingForTheTimeBefore() {
        FakePool pool = FakePool.of(2);
        Picks.sequence(policy, pool.all(), 1_000);
        pool.join("c");

        assertThat(Picks.sequence(policy, pool.all(), 6)).isEqualTo("abcabc");
    }

    @Test
    void aChangedWeightCountsFromTheNextPickOn() {
        FakePool pool = FakePool.of(2);
        Picks.sequence(policy, pool.all(), 2);
        pool.get(1).weight = 3;

        assertThat(Picks.sequence(policy, pool.all(), 8)).isEqualTo("babbbabb");
    }

    @Test
    void aWeightTooSmallForTheScaleNeitherBreaksThePickNorTakesMoreThanItsShare() {
        FakePool pool = FakePool.withWeights(1, Double.MIN_VALUE);

        assertThat(Picks.counts(policy, FakeCall.seeded(1), i -> pool.all(), 10_000))
                .containsOnly(entry("a", 10_000));
    }

    /**
     * Two threads may look at credits between another's crediting and paying, so the order can differ from that of one
     * thread; the sum of credits cannot. At rest credits obey the same bound, n - 1 = 2 picks, plus one for each pick
     * that was made at the same time.
     */
    @Test
    void threadsPickingAtTheSameTimeKeepTheProportions() throws Exception {
        FakePool pool = FakePool.withWeights(5, 2, 1);

        Map<String, Integer> counts = ConcurrentPicks.counts(policy, 2, 40_000, pool.all());
        SoftAssertions.assertSoftly(softly -> {
            softly.assertThat(counts.get("a")).isCloseTo(50_000, within(3));
            softly.assertThat(counts.get("b")).isCloseTo(20_000, within(3));
            softly.assertThat(counts.get("c")).isCloseTo(10_000, within(3));
        });
    }

    @Test
    void explainsCreditInPicks() {
        FakePool pool = FakePool.withWeights(3, 1);
        FakeCall call = FakeCall.explained(1);
        policy.pick(call, pool.all());

        assertThat(call.terms)
                .containsExactly(
                        entry("a credit in picks (most wins)", 0.75), entry("b credit in picks (most wins)", 0.25));
    }

    @Test
    void tellsItsName() {
        assertThat(policy).hasToString("weightedRoundRobin()");
    }
}
