/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;

import io.balancedllm.endpoint.EndpointView;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RoundRobinTest {
    private final RoutingPolicy policy = RoutingPolicies.roundRobin();

    @Test
    void endpointsTakeTurnsInTheOrderOfThePool() {
        assertThat(Picks.sequence(policy, FakePool.of(3).all(), 7)).isEqualTo("abcabca");
    }

    @Test
    void weightsAreIgnored() {
        assertThat(Picks.sequence(policy, FakePool.withWeights(5, 1).all(), 4)).isEqualTo("abab");
    }

    /** A counter modulo the size gives model A always a, model B always d: each sees every other value of it. */
    @Test
    void twoModelsWithTheirOwnEndpointsInTurnStarveNobody() {
        FakePool pool = FakePool.of(4);
        Candidates modelA = pool.only(0, 1);
        Candidates modelB = pool.only(2, 3);

        assertThat(Picks.sequence(policy, i -> i % 2 == 0 ? modelA : modelB, 8)).isEqualTo("acbdacbd");
    }

    @Test
    void callsThatAllCanServeMakeUpForCallsThatOnlySomeCan() {
        FakePool pool = FakePool.of(3);
        Candidates onlyA = pool.only(0);
        Candidates all = pool.all();

        assertThat(Picks.sequence(policy, i -> i % 2 == 0 ? onlyA : all, 8)).isEqualTo("abacabac");
    }

    @Test
    void ofAnyCallsAsManyAsThePoolIsLargeACandidateGetsOne() {
        int size = 6;
        FakePool pool = FakePool.of(size);
        Random random = new Random(7);
        FakeCall call = FakeCall.seeded(7);
        int[] offersSinceItsLastPick = new int[size];
        int longest = 0;
        for (int i = 0; i < 20_000; i++) {
            Candidates candidates = pool.some(random);
            EndpointView picked = policy.pick(call, candidates);
            for (int c = 0; c < candidates.size(); c++) {
                int ordinal = candidates.ordinal(c);
                offersSinceItsLastPick[ordinal] = candidates.get(c) == picked ? 0 : offersSinceItsLastPick[ordinal] + 1;
                longest = Math.max(longest, offersSinceItsLastPick[ordinal]);
            }
        }

        assertThat(longest).isEqualTo(size - 1);
    }

    @Test
    void anEndpointThatJoinsIsPickedOnceAndThenWaitsForItsTurn() {
        FakePool pool = FakePool.of(3);
        Picks.sequence(policy, pool.all(), 300);
        pool.join("new");

        assertThat(Picks.sequence(policy, pool.all(), 8)).isEqualTo("newabcnewabc");
    }

    @Test
    void anEndpointThatComesBackIsPickedOnceAndThenWaitsForItsTurn() {
        FakePool pool = FakePool.of(3);
        Picks.sequence(policy, pool.only(0, 2), 301);

        assertThat(Picks.sequence(policy, pool.all(), 6)).isEqualTo("bcabca");
    }

    @Test
    void anEndpointThatIsReplacedTakesOverThePlace() {
        FakePool pool = FakePool.of(3);
        Picks.sequence(policy, pool.all(), 2);
        pool.replace(0, "A");

        assertThat(Picks.sequence(policy, pool.all(), 6)).isEqualTo("AcbAcb");
    }

    @Test
    void aRetryThatExcludesWhoFailedGoesToTheNext() {
        FakePool pool = FakePool.of(3);

        assertThat(Picks.sequence(policy, i -> i == 1 ? pool.only(1, 2) : pool.all(), 4))
                .isEqualTo("abca");
    }

    @Test
    void threadsPickingAtTheSameTimeShareEvenly() throws Exception {
        int picksOfEach = 30_000;
        FakePool pool = FakePool.of(3);

        assertThat(ConcurrentPicks.counts(policy, 2, picksOfEach, pool.all()))
                .containsOnly(entry("a", 20_000), entry("b", 20_000), entry("c", 20_000));
    }

    @Test
    void explainsWhoWasPickedLongestAgo() {
        FakePool pool = FakePool.of(2);
        FakeCall call = FakeCall.explained(1);
        policy.pick(call, pool.all());
        policy.pick(call, pool.all());
        policy.pick(call, pool.all());

        assertThat(call.terms).containsExactly(entry("a last pick", 1.0), entry("b last pick", 2.0));
    }

    @Test
    void tellsItsName() {
        assertThat(policy).hasToString("roundRobin()");
    }
}
