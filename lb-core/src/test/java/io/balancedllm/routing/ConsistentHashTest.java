/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.completion.CallOptions;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

class ConsistentHashTest {
    private static FakeCall of(String session, RandomGenerator random) {
        FakeCall call = FakeCall.with(random);
        call.options = CallOptions.builder().session(session).build();
        return call;
    }

    private static String pick(RoutingPolicy policy, String session, Candidates candidates) {
        return policy.pick(of(session, new NoRandom()), candidates).id();
    }

    @Test
    void aKeyGoesToTheSameEndpointWithoutAskingChanceOrAnotherBalancer() {
        FakePool pool = FakePool.of(5);
        RoutingPolicy policy = RoutingPolicies.consistentHash(HashKey.SESSION);
        RoutingPolicy ofAnotherBalancer = RoutingPolicies.consistentHash(HashKey.SESSION);
        StringBuilder picks = new StringBuilder();
        for (int i = 0; i < 12; i++) {
            String picked = pick(policy, "session-" + i, pool.all());
            assertThat(pick(policy, "session-" + i, pool.all())).isEqualTo(picked);
            assertThat(pick(ofAnotherBalancer, "session-" + i, FakePool.of(5).all()))
                    .isEqualTo(picked);
            picks.append(picked);
        }
        assertThat(picks.chars().distinct().count()).isGreaterThan(2);
    }

    @Test
    void anEndpointThatLeavesTakesOnlyItsOwnKeysAlong() {
        FakePool pool = FakePool.of(6);
        RoutingPolicy policy = RoutingPolicies.consistentHash(HashKey.SESSION);
        int moved = 0;
        for (int i = 0; i < 6_000; i++) {
            String before = pick(policy, "s" + i, pool.all());
            String after = pick(policy, "s" + i, pool.only(0, 1, 3, 4, 5));
            if (before.equals("c")) {
                moved++;
                assertThat(after).isNotEqualTo("c");
            } else {
                assertThat(after).isEqualTo(before);
            }
        }
        // A count of 6,000 draws at 1/6 has a standard deviation of 29; the bound is 5 of them.
        assertThat(moved).isCloseTo(1_000, within(145));
    }

    @Test
    void keysAreSharedOutByWeight() {
        FakePool pool = FakePool.withWeights(1, 3, 4);
        RoutingPolicy policy = RoutingPolicies.consistentHash(HashKey.SESSION);
        Map<String, Integer> picks = new HashMap<>();
        for (int i = 0; i < 16_000; i++) {
            picks.merge(pick(policy, "session " + i, pool.all()), 1, Integer::sum);
        }
        // The largest standard deviation is 63, at a half; the bound is 5 of them.
        assertThat(picks.get("a")).isCloseTo(2_000, within(316));
        assertThat(picks.get("b")).isCloseTo(6_000, within(316));
        assertThat(picks.get("c")).isCloseTo(8_000, within(316));
    }

    @Test
    void aCallWithoutTheKeyGoesWhereTheFewestAreInFlight() {
        FakePool pool = FakePool.of(3);
        pool.get(0).inFlight.set(4);
        pool.get(1).inFlight.set(1);
        pool.get(2).inFlight.set(2);

        for (RoutingPolicy policy : new RoutingPolicy[] {
            RoutingPolicies.consistentHash(HashKey.CLIENT_ADDRESS),
            RoutingPolicies.boundedLoadHash(HashKey.CLIENT_ADDRESS),
            RoutingPolicies.sessionAffinity()
        }) {
            assertThat(policy.pick(FakeCall.seeded(1), pool.all()).id())
                    .as("%s", policy)
                    .isEqualTo("b");
        }
    }

    @Test
    void anAffinityKeyStandsInForAnyKey() {
        FakePool pool = FakePool.of(7);
        FakeCall call = FakeCall.with(new NoRandom());
        call.options = CallOptions.builder()
                .affinityKey("key")
                .session("session")
                .clientAddress("::1")
                .build();
        String bySession = RoutingPolicies.consistentHash(HashKey.SESSION)
                .pick(call, pool.all())
                .id();

        assertThat(RoutingPolicies.consistentHash(HashKey.CLIENT_ADDRESS)
                        .pick(call, pool.all())
                        .id())
                .isEqualTo(bySession);
        assertThat(bySession).isEqualTo(pick(RoutingPolicies.consistentHash(HashKey.SESSION), "key", pool.all()));
    }

    @Test
    void withLittleLoadAKeyStaysAtTheFirstOfItsRanking() {
        FakePool pool = FakePool.of(8);
        RoutingPolicy policy = RoutingPolicies.boundedLoadHash(HashKey.SESSION);
        FakeEndpoint home = (FakeEndpoint) policy.pick(of("hot", new NoRandom()), pool.all());
        for (int inFlight = 1; inFlight < ConsistentHash.LEAST_CAPACITY; inFlight++) {
            home.inFlight.set(inFlight); // the share of one of 8 is below 1 all the time
            assertThat(policy.pick(of("hot", new NoRandom()), pool.all())).isSameAs(home);
        }
        home.inFlight.set(ConsistentHash.LEAST_CAPACITY);
        assertThat(policy.pick(of("hot", new NoRandom()), pool.all())).isNotSameAs(home);
    }

    @Test
    void aHotKeyFillsEndpointsInTheOrderOfItsRankingAndNoneBeyondItsBound() {
        FakePool pool = FakePool.of(4);
        RoutingPolicy policy = RoutingPolicies.boundedLoadHash(HashKey.SESSION);
        StringBuilder picks = new StringBuilder();
        for (int i = 0; i < 400; i++) {
            FakeEndpoint picked = (FakeEndpoint) policy.pick(of("hot", new NoRandom()), pool.all());
            int now = picked.inFlight.incrementAndGet();
            assertThat(now).isLessThanOrEqualTo((int) Math.max(4, Math.ceil(ConsistentHash.LOAD_FACTOR * (i + 1) / 4)));
            picks.append(picked.id());
        }
        String first = picks.substring(0, 1);
        assertThat(picks.toString()).startsWith(first.repeat(4)).doesNotStartWith(first.repeat(5));
        assertThat(pool.all()).allSatisfy(e -> assertThat(e.inFlight()).isGreaterThan(0));
    }

    @Test
    void explainsTheRanking() {
        FakeCall call = FakeCall.explained(1);
        call.options = CallOptions.builder().session("s").build();
        RoutingPolicies.boundedLoadHash(HashKey.SESSION)
                .pick(call, FakePool.of(2).all());

        assertThat(call.terms)
                .containsOnlyKeys(
                        "a rank score (most wins)",
                        "a has room (1 = yes)",
                        "b rank score (most wins)",
                        "b has room (1 = yes)");
    }

    @Test
    void scoresOfExtremeWeightsAreNumbers() {
        FakePool pool = FakePool.withWeights(Double.MIN_VALUE, 1, Double.MAX_VALUE);
        Random random = new Random(3);
        for (int i = 0; i < 100; i++) {
            assertThat(pick(RoutingPolicies.boundedLoadHash(HashKey.SESSION), "s" + random.nextLong(), pool.all()))
                    .isIn("a", "b", "c");
        }
    }
}
