/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class PrefixAffinityTest {
    private final RoutingPolicy policy = RoutingPolicies.prefixAffinity();

    private static FakeCall prompt(int tokens) {
        FakeCall call = FakeCall.seeded(1);
        call.promptTokens = tokens;
        return call;
    }

    @Test
    void anIdleHolderWins() {
        FakePool pool = FakePool.of(4);
        FakeCall call = prompt(8_000);
        call.cached.put("c", 6_000);

        assertThat(policy.pick(call, pool.all()).id()).isEqualTo("c");
    }

    /** 6,000 tokens cached save 0.6 s; a prefix that everybody wants is copied once waiting for it costs more. */
    @Test
    void aHolderIsLeftExactlyWhenItsQueueCostsMoreThanComputingAgain() {
        FakePool pool = FakePool.of(2);
        boolean left = false;
        for (int tenths = 0; tenths <= 30; tenths++) {
            FakeCall call = prompt(8_000);
            call.cached.put("a", 6_000);
            pool.get(0).pendingPrefillSeconds = tenths / 10.0;
            String picked =
                    RoutingPolicies.prefixAffinity().pick(call, pool.all()).id();
            if (tenths <= 6) {
                assertThat(picked).as("%s tenths", tenths).isEqualTo("a");
            }
            assertThat(left && picked.equals("a")).as("no way back").isFalse();
            left |= picked.equals("b");
        }
        assertThat(left).isTrue();
    }

    /** Threshold rules drop affinity when loads differ enough; a cost lets the holder win while waiting pays. */
    @Test
    void affinityIsNotLostUnderPressure() {
        FakePool pool = FakePool.of(4);
        for (int i = 0; i < 4; i++) {
            pool.get(i).inFlight.set(60 + 20 * i);
            pool.get(i).contextTokens = 100_000;
            pool.get(i).pendingPrefillSeconds = 4 + 0.1 * i;
        }
        FakeCall call = prompt(20_000);
        call.cached.put("b", 18_000);

        assertThat(policy.pick(call, pool.all()).id()).isEqualTo("b");
    }

    @Test
    void aPrefixThatAllHaveIsNoReasonToPrefer() {
        FakePool pool = FakePool.of(4);
        FakeCall call = FakeCall.seeded(2);
        call.promptTokens = 4_000;
        for (String id : new String[] {"a", "b", "c", "d"}) {
            call.cached.put(id, 3_000);
        }

        // A count of 4,000 draws at 1/4 has a standard deviation of 27; the bound is 5 of them.
        assertThat(Picks.counts(policy, call, i -> pool.all(), 4_000).values())
                .hasSize(4)
                .allSatisfy(n -> assertThat(n).isBetween(863, 1_137));
    }

    /** What many endpoints have will be wanted again: a call does not pay alone for another copy, and queues are shorter. */
    @Test
    void aPrefixThatManyHaveIsCopiedSooner() {
        int[] left = new int[7];
        for (int holders : new int[] {1, 2, 6}) {
            FakePool pool = FakePool.of(7);
            FakeCall call = prompt(8_000);
            for (int i = 0; i < holders; i++) {
                call.cached.put(pool.get(i).id(), 6_000);
            }
            String newcomer = pool.get(6).id();
            while (!RoutingPolicies.prefixAffinity().pick(call, pool.all()).id().equals(newcomer)) {
                left[holders]++;
                for (int i = 0; i < 6; i++) {
                    pool.get(i).pendingPrefillSeconds = 0.05 * left[holders];
                }
            }
        }
        assertThat(left[2]).isLessThan(left[1]);
        assertThat(left[6]).isBetween(1, left[2] - 1);
    }

    @Test
    void aSlowEndpointIsAvoidedByWhatWasLearnedOfIt() {
        FakePool pool = FakePool.of(2);
        pool.get(0).secondsPerPromptToken = 4e-4;

        assertThat(policy.pick(prompt(1_000), pool.all()).id()).isEqualTo("b");
    }

    @Test
    void fullMemoryIsWaitedFor() {
        FakePool pool = FakePool.of(2);
        for (int i = 0; i < 2; i++) {
            pool.get(i).kvCapacityTokens = OptionalLong.of(100_000);
            pool.get(i).freedTokensPerSecond = 5_000;
        }
        pool.get(0).kvTokensInUse = 99_000;
        FakeCall call = prompt(4_000);
        call.cached.put("a", 1_000);

        assertThat(policy.pick(call, pool.all()).id()).isEqualTo("b");
    }

    /** Learned speeds differ a little even of equal engines: that must not gather all answers on one of them. */
    @Test
    void whileNothingWaitsFewerAnswersCountMoreThanASlightlyBetterSpeedAndLessOnceAllAreBusy() {
        FakePool pool = FakePool.of(2);
        pool.get(0).inFlight.set(4);
        pool.get(1).secondsPerPromptToken = 1.02e-4;
        FakeCall call = prompt(1_000);
        assertThat(policy.pick(call, pool.all()).id()).isEqualTo("b");

        pool.get(0).pendingPrefillSeconds = 1;
        pool.get(1).pendingPrefillSeconds = 1;
        for (int second = 0; second < 60; second++) {
            call.nowNanos = second * 1_000_000_000L;
            policy.pick(call, pool.all());
        }
        assertThat(policy.pick(call, pool.all()).id()).isEqualTo("a");
    }

    /** 6,000 of 8,000 tokens are shared; each holder has twelve answers to decode, the last endpoint none. */
    @Test
    void whatManyHoldIsCopiedToTheLastOneAndWhatFewHoldStaysThere() {
        FakePool pool = FakePool.of(8);
        FakeCall call = prompt(8_000);
        for (int i = 0; i < 7; i++) {
            pool.get(i).inFlight.set(12);
            call.cached.put(pool.get(i).id(), 6_000);
        }
        assertThat(policy.pick(call, pool.all()).id()).isEqualTo("h");

        for (int i = 1; i < 7; i++) {
            call.cached.remove(pool.get(i).id());
        }
        assertThat(RoutingPolicies.prefixAffinity().pick(call, pool.all()).id()).isEqualTo("a");
    }

    @Test
    void explainsTheCostAndWhatItIsMadeOf() {
        FakeCall call = FakeCall.explained(1);
        call.promptTokens = 1_000;
        FakePool pool = FakePool.of(1);
        pool.get(0).pendingPrefillSeconds = 0.5;
        pool.get(0).inFlight.set(2);
        policy.pick(call, pool.all());

        double own = 0.1;
        double late = 3 * 0.6 * 0.6 / (0.6 + 15 * 0.2);
        // Nobody was busy before: the price of capacity is at its least, and the delay of others counts half.
        double kappa = 0.1 * 0.505;
        double others = kappa * 2 * (own + 1e-4 * 256 * 1_000 / 800);
        assertThat(call.terms)
                .containsEntry("a cached tokens (more is better)", 0.0)
                .containsEntry("a wait in s", 0.5);
        assertThat(call.terms.get("a computing at its price in s")).isCloseTo(1.5 * own, within(1e-12));
        assertThat(call.terms.get("a late first token in s")).isCloseTo(late, within(1e-12));
        assertThat(call.terms.get("a delay of others in s")).isCloseTo(others, within(1e-12));
        assertThat(call.terms.get("a cost in s")).isCloseTo(0.5 + 1.5 * own + late + others, within(1e-12));
    }

    /** 1,000 endpoints are searched for what they have cached; only some are weighed. */
    @Test
    void inALargePoolTheHoldersAreFoundAndTheRestIsSampled() {
        FakePool pool = FakePool.of(1_000);
        FakeCall call = prompt(8_000);
        call.cached.put("e812", 6_000);
        call.cached.put("e17", 5_000);

        assertThat(policy.pick(call, pool.all()).id()).isEqualTo("e812");
        pool.get(812).pendingPrefillSeconds = 10;
        assertThat(policy.pick(call, pool.all()).id()).isEqualTo("e17");
        pool.get(17).pendingPrefillSeconds = 10;
        long before = pool.loadReads();
        assertThat(policy.pick(call, pool.all()).id()).isNotIn("e17", "e812");
        assertThat(pool.loadReads() - before).isLessThanOrEqualTo(Scan.SAMPLE + 2);
    }

    /** Of 1,000 endpoints that all have the prefix, or none, each should get 2 of 2,000 picks; the bound is 7 sigma. */
    @Test
    void inALargePoolWhatAllHaveDrawsNobody() {
        FakePool pool = FakePool.of(1_000);
        FakeCall call = prompt(8_000);
        assertThat(Picks.counts(policy, call, i -> pool.all(), 2_000).values())
                .allSatisfy(n -> assertThat(n).isLessThan(12));
        for (int i = 0; i < 1_000; i++) {
            call.cached.put("e" + i, 6_000);
        }
        assertThat(Picks.counts(policy, call, i -> pool.all(), 2_000).values())
                .allSatisfy(n -> assertThat(n).isLessThan(12));
    }

    @Test
    void signalsThatAreNoNumbersRuleAnEndpointOutAndTeachNothing() {
        FakePool pool = FakePool.of(3);
        pool.get(0).pendingPrefillSeconds = Double.NaN;
        pool.get(2).secondsPerPromptToken = Double.NaN;
        for (int i = 0; i < 100; i++) {
            assertThat(policy.pick(prompt(1_000), pool.all()).id()).isEqualTo("b");
        }
        pool.get(0).pendingPrefillSeconds = 0;
        FakeCall call = prompt(1_000);
        assertThat(Picks.counts(policy, call, i -> pool.all(), 100)).hasSize(2);
    }

    @Test
    void hugePromptsAndStandingClocksGiveAPick() {
        FakePool pool = FakePool.of(3);
        FakeCall call = FakeCall.seeded(4);
        call.promptTokens = Integer.MAX_VALUE;
        for (int i = 0; i < 1_000; i++) {
            assertThat(policy.pick(call, pool.all())).isNotNull();
        }
        call.promptTokens = 0;
        assertThat(policy.pick(call, pool.all())).isNotNull();
    }
}
