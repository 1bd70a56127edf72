/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.health;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.event.HealthChange;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class EndpointHealthTest {
    private static final ProbeResult DEAD = new ProbeResult(ProbeResult.Status.UNHEALTHY, "refused");
    private static final ProbeResult LOADS = new ProbeResult(ProbeResult.Status.WARMING, "Loading model");
    private static final Verdict FAILS = Verdict.of(new LlmException(Reason.SERVER_ERROR, "boom"));

    private final EndpointHealth health = new EndpointHealth(HealthCheck.defaults(), 0);
    private long now;

    private void probe(ProbeResult result) {
        health.probed(result, now);
    }

    private void end(Verdict verdict) {
        health.ended(health.epoch(), false, verdict, true, now);
    }

    private void endTrial(Verdict verdict) {
        health.ended(health.epoch(), true, verdict, true, now);
    }

    private void fail(int times) {
        for (int i = 0; i < times; i++) {
            end(FAILS);
        }
    }

    private void pass(Duration time) {
        now += time.toNanos();
        health.timeUp(now);
    }

    private static Verdict refusal(Duration pause) {
        return Verdict.of(LlmException.builder(Reason.RATE_LIMITED, "later")
                .statusCode(429)
                .retryAfter(pause)
                .build());
    }

    private static Verdict refusal(Reason reason) {
        return Verdict.of(new LlmException(reason, "no"));
    }

    private void makeHealthy() {
        probe(ProbeResult.READY);
        pass(HealthCheck.DEFAULT_SLOW_START);
        assertThat(health.state()).isEqualTo(HealthState.HEALTHY);
    }

    @Test
    @DisplayName("C16: a new endpoint is unknown until it is heard of, then ramps, then is healthy")
    void aNewEndpointRampsOnceItIsHeardOf() {
        assertThat(health.state()).isEqualTo(HealthState.UNKNOWN);
        HealthChange change = health.probed(ProbeResult.READY, now);
        assertThat(change)
                .isEqualTo(new HealthChange(HealthState.UNKNOWN, HealthState.RAMPING, "a probe was answered"));
        pass(HealthCheck.DEFAULT_SLOW_START.minusNanos(1));
        assertThat(health.state()).isEqualTo(HealthState.RAMPING);
        pass(Duration.ofNanos(1));
        assertThat(health.state()).isEqualTo(HealthState.HEALTHY);
        assertThat(health.isTimed()).isFalse();
    }

    @Test
    void aRequestThatIsAnsweredIsAsGoodAsAProbe() {
        end(Verdict.SUCCESS);
        assertThat(health.state()).isEqualTo(HealthState.RAMPING);
    }

    @Test
    void withoutProbesItRampsFromTheStartAndWithoutJudgementItIsHealthy() {
        assertThat(new EndpointHealth(HealthCheck.passive(), 5).state()).isEqualTo(HealthState.RAMPING);
        EndpointHealth off = new EndpointHealth(HealthCheck.off(), 5);
        assertThat(off.state()).isEqualTo(HealthState.HEALTHY);
        assertThat(off.isTimed()).isFalse();
    }

    @Test
    void asManyProbesInARowTakeItOutAndLetItBackAsWasSaid() {
        EndpointHealth patient =
                new EndpointHealth(HealthCheck.builder().fall(3).rise(2).build(), 0);
        patient.probed(ProbeResult.READY, 0);
        assertThat(patient.state()).as("one of two").isEqualTo(HealthState.UNKNOWN);
        patient.probed(ProbeResult.READY, 0);
        assertThat(patient.state()).isEqualTo(HealthState.RAMPING);
        patient.probed(DEAD, 0);
        patient.probed(DEAD, 0);
        patient.probed(ProbeResult.READY, 0);
        patient.probed(DEAD, 0);
        patient.probed(DEAD, 0);
        assertThat(patient.state()).as("never three in a row").isEqualTo(HealthState.RAMPING);
        patient.probed(DEAD, 0);
        assertThat(patient.state()).isEqualTo(HealthState.UNHEALTHY);
        assertThat(patient.reason()).contains("refused");
        patient.probed(ProbeResult.READY, 0);
        assertThat(patient.state()).isEqualTo(HealthState.UNHEALTHY);
        patient.probed(ProbeResult.READY, 0);
        assertThat(patient.state()).isEqualTo(HealthState.RAMPING);
    }

    @Test
    @DisplayName("C15: an engine that loads its model is warming, at once, and ramps when it is ready")
    void loadingIsWarming() {
        makeHealthy();
        probe(LOADS);
        assertThat(health.state()).isEqualTo(HealthState.WARMING);
        assertThat(health.lastProbeFailed()).as("no last resort").isTrue();
        probe(ProbeResult.READY);
        assertThat(health.state()).isEqualTo(HealthState.RAMPING);

        end(Verdict.of(LlmException.builder(Reason.UNAVAILABLE, "HTTP 503: Loading model")
                .statusCode(503)
                .build()));
        assertThat(health.state()).isEqualTo(HealthState.WARMING);
        assertThat(health.isTimed()).as("probes say when it is over").isFalse();
    }

    @Test
    @DisplayName("C15: where nothing is probed, loading is a pause")
    void loadingWithoutProbesIsAPause() {
        EndpointHealth passive = new EndpointHealth(HealthCheck.passive(), 0);
        Verdict loading = Verdict.of(LlmException.builder(Reason.UNAVAILABLE, "HTTP 503: Loading model")
                .statusCode(503)
                .build());

        passive.ended(passive.epoch(), false, loading, true, 0);

        assertThat(passive.state()).isEqualTo(HealthState.COOLING);
        assertThat(passive.isTimed()).isTrue();
    }

    @Test
    @DisplayName("C1, A7: neither a client's mistakes nor cancels ever lead anywhere")
    void neutralEndsChangeNothing() {
        makeHealthy();
        for (int i = 0; i < 1_000; i++) {
            end(Verdict.NEUTRAL);
            end(refusal(Reason.INVALID_REQUEST));
        }
        fail(4);
        end(Verdict.NEUTRAL);
        assertThat(health.state()).isEqualTo(HealthState.HEALTHY);
        fail(1);
        assertThat(health.state()).as("nor do they break a row").isEqualTo(HealthState.EJECTED);
    }

    @Test
    @DisplayName("C7: each ejection is twice as long as the one before, up to a bound, and a long while resets it")
    void ejectionsGrow() {
        makeHealthy();
        Duration expected = EndpointHealth.EJECTION_BASE;
        for (int i = 0; i < 12; i++) {
            fail(5);
            endTrial(FAILS);
            assertThat(health.state()).isEqualTo(HealthState.EJECTED);
            assertThat(Duration.ofNanos(health.dueNanos() - now)).isEqualTo(expected);
            pass(expected);
            assertThat(health.state()).isEqualTo(HealthState.HALF_OPEN);
            expected = expected.multipliedBy(2);
            if (expected.compareTo(EndpointHealth.EJECTION_MAX) > 0) {
                expected = EndpointHealth.EJECTION_MAX;
            }
        }
        endTrial(Verdict.SUCCESS);
        pass(EndpointHealth.EJECTION_MEMORY.plusNanos(1));
        fail(5);
        assertThat(Duration.ofNanos(health.dueNanos() - now)).isEqualTo(EndpointHealth.EJECTION_BASE);
    }

    @Test
    void whoMayNotBeEjectedStaysAndIsEjectedAsSoonAsItMay() {
        makeHealthy();
        for (int i = 0; i < 20; i++) {
            assertThat(health.ended(health.epoch(), false, FAILS, false, now)).isNull();
        }
        fail(1);
        assertThat(health.state()).isEqualTo(HealthState.EJECTED);
    }

    @Test
    @DisplayName(
            "C9: the one request decides: its success lets the endpoint ramp, its failure ejects again, a cancel neither")
    void theTrialDecides() {
        makeHealthy();
        fail(5);
        pass(EndpointHealth.EJECTION_BASE);
        endTrial(Verdict.NEUTRAL);
        assertThat(health.state()).isEqualTo(HealthState.HALF_OPEN);
        endTrial(FAILS);
        assertThat(health.state()).isEqualTo(HealthState.EJECTED);
        pass(EndpointHealth.EJECTION_BASE.multipliedBy(2));
        endTrial(Verdict.SUCCESS);
        assertThat(health.state()).isEqualTo(HealthState.RAMPING);
    }

    @Test
    @DisplayName("C9: what began before a trip or a recovery does not count after it")
    void lateOutcomesDoNotCount() {
        makeHealthy();
        long before = health.epoch();
        fail(5);
        assertThat(health.ended(before, false, Verdict.SUCCESS, true, now)).isNull();
        pass(EndpointHealth.EJECTION_BASE);
        assertThat(health.ended(before, false, Verdict.SUCCESS, true, now)).isNull();
        assertThat(health.state()).as("a late success does not close it").isEqualTo(HealthState.HALF_OPEN);
        endTrial(Verdict.SUCCESS);
        for (int i = 0; i < 50; i++) {
            assertThat(health.ended(before, false, FAILS, true, now)).isNull();
        }
        assertThat(health.state()).as("late failures do not eject it again").isEqualTo(HealthState.RAMPING);
    }

    @Test
    @DisplayName("C2: refusals are a pause of what the server asks, never a failure")
    void backPressureIsAPause() {
        makeHealthy();
        for (int i = 0; i < 20; i++) {
            end(refusal(Duration.ofSeconds(7)));
            assertThat(health.state()).isEqualTo(HealthState.COOLING);
        }
        end(refusal(Duration.ofSeconds(3)));
        assertThat(Duration.ofNanos(health.dueNanos() - now))
                .as("the longest counts")
                .hasSeconds(7);
        end(refusal(Duration.ofSeconds(9)));
        pass(Duration.ofSeconds(9).minusNanos(1));
        assertThat(health.state()).isEqualTo(HealthState.COOLING);
        pass(Duration.ofNanos(1));
        assertThat(health.state()).isEqualTo(HealthState.HEALTHY);
    }

    @Test
    @DisplayName("C2: a refusal without a time is a pause that doubles, until something is answered")
    void pausesWithoutATimeGrow() {
        makeHealthy();
        Duration expected = EndpointHealth.COOLING_BASE;
        for (int i = 0; i < 10; i++) {
            end(refusal(Reason.OVERLOADED));
            end(refusal(Reason.OVERLOADED)); // of the same burst
            assertThat(Duration.ofNanos(health.dueNanos() - now)).isEqualTo(expected);
            pass(expected);
            expected = expected.multipliedBy(2);
            if (expected.compareTo(EndpointHealth.COOLING_MAX) > 0) {
                expected = EndpointHealth.COOLING_MAX;
            }
        }
        end(Verdict.SUCCESS);
        end(refusal(Reason.OVERLOADED));
        assertThat(Duration.ofNanos(health.dueNanos() - now)).isEqualTo(EndpointHealth.COOLING_BASE);
    }

    @Test
    @DisplayName("C2: a refusal for more than a minute is a quarantine until then, a day at most")
    void longPausesAreQuarantines() {
        makeHealthy();
        end(refusal(Duration.ofSeconds(61)));
        assertThat(health.state()).isEqualTo(HealthState.QUARANTINED);
        assertThat(Duration.ofNanos(health.dueNanos() - now)).hasSeconds(61);
        pass(Duration.ofSeconds(61));
        assertThat(health.state()).isEqualTo(HealthState.HALF_OPEN);
        end(refusal(Duration.ofDays(100_000_000)));
        assertThat(Duration.ofNanos(health.dueNanos() - now)).isEqualTo(EndpointHealth.LONGEST_PAUSE);
    }

    @Test
    @DisplayName("C3: a refused key is a quarantine that grows, and counts as no failure")
    void aRefusedKeyIsAQuarantine() {
        makeHealthy();
        end(refusal(Reason.UNAUTHORIZED));
        end(refusal(Reason.UNAUTHORIZED)); // of the same burst
        assertThat(health.state()).isEqualTo(HealthState.QUARANTINED);
        assertThat(Duration.ofNanos(health.dueNanos() - now)).isEqualTo(EndpointHealth.QUARANTINE_BASE);
        probe(ProbeResult.READY);
        probe(DEAD);
        probe(DEAD);
        assertThat(health.state()).as("no probe tells whether the key is good").isEqualTo(HealthState.QUARANTINED);
        pass(EndpointHealth.QUARANTINE_BASE);
        assertThat(health.state()).isEqualTo(HealthState.HALF_OPEN);
        endTrial(refusal(Reason.UNAUTHORIZED));
        assertThat(Duration.ofNanos(health.dueNanos() - now)).isEqualTo(EndpointHealth.QUARANTINE_BASE.multipliedBy(2));
    }

    @Test
    @DisplayName("C20: an engine that refuses because it shuts down is stopping, whatever its probes say")
    void anEngineThatShutsDownIsStopping() {
        makeHealthy();
        end(Verdict.of(LlmException.builder(Reason.UNAVAILABLE, "HTTP 500: cannot schedule new futures after shutdown")
                .statusCode(500)
                .build()));
        assertThat(health.state()).isEqualTo(HealthState.STOPPING);
        probe(ProbeResult.READY);
        assertThat(health.state()).isEqualTo(HealthState.STOPPING);
        pass(EndpointHealth.STOPPING_PAUSE);
        assertThat(health.state()).isEqualTo(HealthState.HALF_OPEN);
    }

    @Test
    @DisplayName("C17: suspicion ends with the first byte, in the state it interrupted, and ejects nobody")
    void suspicionIsPassing() {
        probe(ProbeResult.READY);
        pass(Duration.ofSeconds(4));
        long epoch = health.epoch();
        health.silent("silent", now);
        assertThat(health.state()).isEqualTo(HealthState.SUSPECTED);
        for (int i = 0; i < 100; i++) {
            health.silent("silent", now);
        }
        health.heard(now);
        assertThat(health.state()).isEqualTo(HealthState.RAMPING);
        assertThat(health.epoch()).as("what began before counts").isEqualTo(epoch);
        pass(Duration.ofSeconds(6));
        assertThat(health.state()).as("the slow start went on meanwhile").isEqualTo(HealthState.HEALTHY);
        health.silent("silent", now);
        probe(DEAD);
        probe(DEAD);
        assertThat(health.state()).isEqualTo(HealthState.UNHEALTHY);
    }

    @Test
    @DisplayName("C9: a moment's pause of a half-open endpoint leaves it half open")
    void coolingLeavesATrialATrial() {
        makeHealthy();
        fail(5);
        pass(EndpointHealth.EJECTION_BASE);
        endTrial(refusal(Duration.ofSeconds(2)));
        assertThat(health.state()).isEqualTo(HealthState.COOLING);
        pass(Duration.ofSeconds(2));
        assertThat(health.state()).isEqualTo(HealthState.HALF_OPEN);
    }

    @Test
    void theShareGrowsFromATenthToTheWhole() {
        Duration slowStart = Duration.ofSeconds(10);
        assertThat(EndpointHealth.share(slowStart, 0)).isEqualTo(EndpointHealth.FIRST_SHARE);
        assertThat(EndpointHealth.share(slowStart, Duration.ofSeconds(5).toNanos()))
                .isEqualTo(0.5);
        assertThat(EndpointHealth.share(slowStart, Duration.ofSeconds(10).toNanos()))
                .isEqualTo(1);
        assertThat(EndpointHealth.share(Duration.ZERO, 0)).isEqualTo(1);
    }

    @Test
    @DisplayName(
            "C3, C9, C16: whatever happens in whatever order, no state lasts for ever without probes or time to end it")
    void noStateIsADeadEnd() {
        Random random = new Random(3);
        for (int life = 0; life < 300; life++) {
            EndpointHealth any = new EndpointHealth(HealthCheck.defaults(), 0);
            long time = 0;
            long epoch = 0;
            for (int step = 0; step < 60; step++) {
                time += random.nextInt(3) * 1_000_000_000L;
                assertThat(any.epoch()).isGreaterThanOrEqualTo(epoch);
                epoch = any.epoch();
                happen(any, random, time);
            }
            // From now on everything is well: whatever it was, it gets back.
            for (int step = 0; step < 10 && any.state() != HealthState.HEALTHY; step++) {
                time = any.isTimed() ? Math.max(time, any.dueNanos()) : time;
                any.heard(time);
                any.timeUp(time);
                any.probed(ProbeResult.READY, time);
                any.ended(any.epoch(), any.state() == HealthState.HALF_OPEN, Verdict.SUCCESS, true, time);
            }
            assertThat(any.state()).isEqualTo(HealthState.HEALTHY);
        }
    }

    private static void happen(EndpointHealth any, Random random, long time) {
        long begun = random.nextInt(4) == 0 ? any.epoch() - 1 : any.epoch();
        boolean trial = random.nextBoolean();
        switch (random.nextInt(10)) {
            case 0 -> any.probed(ProbeResult.READY, time);
            case 1 -> any.probed(DEAD, time);
            case 2 -> any.probed(LOADS, time);
            case 3 -> any.ended(begun, trial, Verdict.SUCCESS, true, time);
            case 4, 5 -> any.ended(begun, trial, FAILS, random.nextBoolean(), time);
            case 6 -> any.ended(begun, trial, refusal(Duration.ofSeconds(random.nextInt(90))), true, time);
            case 7 -> any.ended(begun, trial, refusal(Reason.UNAUTHORIZED), true, time);
            case 8 -> any.silent("silent", time);
            default -> any.timeUp(time);
        }
    }
}
