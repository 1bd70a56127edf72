/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.LlmException.Reason;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class LeastLoadedTest {
    private static final long SECOND = 1_000_000_000L;

    private final RoutingPolicy policy = RoutingPolicies.leastLoaded();
    private final FakePool pool = FakePool.of(2);

    private void firstToken(int endpoint, double seconds) {
        policy.observe(new AttemptEvent.FirstToken("c", 1, pool.get(endpoint), 0, (long) (seconds * SECOND)));
    }

    private void ended(int endpoint, AttemptSummary.Outcome outcome, double seconds) {
        AttemptSummary summary = new AttemptSummary(
                1,
                pool.get(endpoint).id(),
                outcome,
                outcome == AttemptSummary.Outcome.FAILED ? Reason.UNAVAILABLE : null,
                "",
                Duration.ofMillis((long) (seconds * 1_000)));
        policy.observe(new AttemptEvent.Ended("c", 1, pool.get(endpoint), 0, summary, null));
    }

    private String pick() {
        return policy.pick(FakeCall.with(new NoRandom()), pool.all()).id();
    }

    @Test
    void theFasterOneGetsMoreInProportion() {
        firstToken(0, 0.3);
        firstToken(1, 0.1);
        StringBuilder picks = new StringBuilder();
        for (int i = 0; i < 8; i++) {
            pool.get(0).inFlight.set((int) picks.chars().filter(c -> c == 'a').count());
            pool.get(1).inFlight.set((int) picks.chars().filter(c -> c == 'b').count());
            if (i == 2) {
                pool.get(0).inFlight.set(1); // 0.3 * 1 = 0.1 * 3 would be a tie
            }
            picks.append(pick());
        }
        assertThat(picks.toString()).startsWith("bbb").contains("a");
    }

    @Test
    void theLengthOfAnswersIsNotTakenForLoad() {
        firstToken(0, 0.1);
        firstToken(1, 0.2);
        ended(0, AttemptSummary.Outcome.COMPLETED, 300);
        ended(1, AttemptSummary.Outcome.COMPLETED, 0.3);

        assertThat(pick()).isEqualTo("a");
    }

    @Test
    void anEndpointThatFailsFastDoesNotLookFast() {
        firstToken(0, 0.1);
        firstToken(1, 0.2);
        for (int i = 0; i < 5; i++) {
            FakeCall later = FakeCall.with(new NoRandom());
            AttemptSummary failed = new AttemptSummary(
                    1, "a", AttemptSummary.Outcome.FAILED, Reason.UNAVAILABLE, "", Duration.ofMillis(1));
            policy.observe(new AttemptEvent.Ended("c", 1, pool.get(0), (i + 1) * SECOND, failed, null));
            later.nowNanos = (i + 1) * SECOND;
        }
        FakeCall later = FakeCall.with(new NoRandom());
        later.nowNanos = 5 * SECOND;
        assertThat(policy.pick(later, pool.all()).id()).isEqualTo("b");
    }

    @Test
    void aBadSampleIsNotHeldAgainstAnEndpointForEver() {
        firstToken(0, 60);
        firstToken(1, 0.1);
        pool.get(1).inFlight.set(9);
        assertThat(pick()).isEqualTo("b");

        FakeCall later = FakeCall.with(new NoRandom());
        later.nowNanos = 200 * SECOND; // both have faded to the least there is
        assertThat(policy.pick(later, pool.all()).id()).isEqualTo("a");
    }

    @Test
    void withoutSamplesItGoesByAttemptsInFlight() {
        pool.get(0).inFlight.set(2);

        assertThat(pick()).isEqualTo("b");
    }
}
