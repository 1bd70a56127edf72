/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.LlmException.Reason;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class CanaryTest {
    private static final long SECOND = 1_000_000_000L;

    private final FakePool pool = FakePool.of(2);
    private final RoutingPolicy first = (call, candidates) -> candidates.get(0);
    private final RoutingPolicy second = (call, candidates) -> candidates.get(1);

    private static FakeCall call(int number) {
        FakeCall call = FakeCall.with(new NoRandom());
        call.id = "5eed-" + number;
        return call;
    }

    @Test
    void theCandidateRoutesItsShareAndEveryAttemptOfACall() {
        Canary canary = RoutingPolicies.canary(first, second, 0.2);
        int candidates = 0;
        for (int i = 0; i < 10_000; i++) {
            String picked = canary.pick(call(i), pool.all()).id();
            assertThat(canary.pick(call(i), pool.all()).id()).isEqualTo(picked);
            candidates += picked.equals("b") ? 1 : 0;
        }
        // A count of 10,000 draws at 0.2 has a standard deviation of 40; the bound is 5 of them.
        assertThat(candidates).isCloseTo(2_000, within(200));
    }

    @Test
    void eachArmCountsWhatItRouted() {
        Canary canary = RoutingPolicies.canary(first, second, 0.5);
        int[] sent = new int[2];
        for (int i = 0; i < 100; i++) {
            FakeCall call = call(i);
            FakeEndpoint at = (FakeEndpoint) canary.pick(call, pool.all());
            int arm = at.id().equals("a") ? 0 : 1;
            sent[arm]++;
            canary.observe(new AttemptEvent.Dispatched(call.id, 1, at, 0, 0, 0));
            canary.observe(new AttemptEvent.FirstToken(call.id, 1, at, SECOND, (arm + 1) * SECOND));
            AttemptSummary summary = new AttemptSummary(
                    1,
                    at.id(),
                    arm == 0 ? AttemptSummary.Outcome.COMPLETED : AttemptSummary.Outcome.FAILED,
                    arm == 0 ? null : Reason.TRUNCATED,
                    "",
                    Duration.ofSeconds(4));
            canary.observe(new AttemptEvent.Ended(call.id, 1, at, 4 * SECOND, summary, null));
        }
        assertThat(canary.control()).isEqualTo(new Canary.Arm(sent[0], sent[0], 0, 1, 4));
        assertThat(canary.candidate()).isEqualTo(new Canary.Arm(sent[1], 0, sent[1], 2, 0));
    }

    @Test
    void aShareBeyondOneOrNoNumberIsRefused() {
        for (double share : new double[] {-0.1, 1.1, Double.NaN}) {
            assertThatThrownBy(() -> RoutingPolicies.canary(first, second, share))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void aShadowSeesAllAndDecidesNothing() {
        Shadow shadow = RoutingPolicies.shadow(first, second);
        pool.get(0).pendingPrefillSeconds = 3;
        pool.get(1).pendingPrefillSeconds = 1;
        for (int i = 0; i < 10; i++) {
            assertThat(shadow.pick(call(i), pool.all()).id()).isEqualTo("a");
        }
        assertThat(shadow.pick(call(10), pool.only(0, 0)).id()).isEqualTo("a");

        assertThat(shadow.comparison()).isEqualTo(new Shadow.Comparison(11, 1, 20.0 / 11, 0));
    }

    @Test
    void aShadowThatFailsHarmsNobody() {
        RoutingPolicy broken = new RoutingPolicy() {
            @Override
            public io.balancedllm.endpoint.EndpointView pick(RoutingContext call, Candidates candidates) {
                throw new IllegalStateException("broken");
            }

            @Override
            public void observe(AttemptEvent event) {
                throw new IllegalStateException("broken");
            }
        };
        Shadow shadow = RoutingPolicies.shadow(first, broken);
        FakeEndpoint picked = (FakeEndpoint) shadow.pick(call(1), pool.all());
        shadow.observe(new AttemptEvent.Dispatched("1", 1, picked, 0, 0, 0));

        assertThat(picked.id()).isEqualTo("a");
        assertThat(shadow.comparison()).isEqualTo(new Shadow.Comparison(0, 0, 0, 2));
    }
}
