/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.event.HealthChange;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.testkit.ScriptedAttempt;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Endpoints that are judged by their probes and by their silence. */
@Timeout(60)
class ProbingTest extends HealthScene {
    private static final ProbeResult LOADS = new ProbeResult(ProbeResult.Status.WARMING, "Loading model");

    @Test
    @DisplayName("C16: a new endpoint gets one request until it is heard of")
    void anUnknownEndpointGetsOneRequest() {
        a.health(SILENT);
        BalancedLlm llm = balancer(HealthCheck.defaults(), Endpoint.of("a", a));
        List<CompletableFuture<Completion>> calls = List.of(call(llm), call(llm), call(llm));

        assertThat(a.started()).isOne();
        assertThat(llm.waiting()).isEqualTo(2);
        answer(a.takeAttempt());
        world.settle();

        assertThat(health(llm, "a")).isEqualTo(HealthState.RAMPING);
        assertThat(a.started()).as("the rest follows").isEqualTo(3);
        answer(a.takeAttempt());
        answer(a.takeAttempt());
        world.settle();
        assertThat(calls).allSatisfy(done -> assertThat(done).isCompleted());
    }

    @Test
    void aProbeIsEnoughToBeKnownAndEachChangeIsToldWithItsReason() {
        BalancedLlm llm = healthy(Endpoint.of("a", a));

        assertThat(changes)
                .containsExactly(
                        new HealthChange(HealthState.UNKNOWN, HealthState.RAMPING, "a probe was answered"),
                        new HealthChange(HealthState.RAMPING, HealthState.HEALTHY, "the time is over"));
        assertThat(llm.pool().endpoint("a").orElseThrow().healthReason()).isEqualTo("the time is over");
        assertThat(llm.statistics().endpoint("a").orElseThrow().healthChanges())
                .containsOnlyKeys(HealthState.RAMPING, HealthState.HEALTHY);
    }

    @Test
    void anEndpointWhoseProbesFailGetsNothingUntilOneIsAnswered() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        a.health(DEAD);
        pass(Duration.ofSeconds(20));
        assertThat(health(llm, "a")).isEqualTo(HealthState.UNHEALTHY);

        List<CompletableFuture<Completion>> calls = List.of(call(llm), call(llm), call(llm));
        assertThat(b.started()).isEqualTo(3);
        assertThat(a.started()).isZero();

        a.health(ProbeResult.READY);
        pass(Duration.ofSeconds(20));
        assertThat(health(llm, "a")).isEqualTo(HealthState.HEALTHY);
        var unused = call(llm);
        assertThat(a.started()).isOne();
        calls.forEach(call -> call.cancel(true));
        unused.cancel(true);
    }

    @Test
    @DisplayName("C15: an engine that loads its model gets nothing, and counts no failure")
    void aLoadingEngineGetsNothing() {
        a.health(LOADS);
        BalancedLlm llm = balancer(HealthCheck.defaults(), Endpoint.of("a", a), Endpoint.of("b", b));
        pass(Duration.ofSeconds(1));
        assertThat(health(llm, "a")).isEqualTo(HealthState.WARMING);

        CompletableFuture<Completion> call = call(llm);
        answer(b.takeAttempt());
        world.settle();
        assertThat(call).isCompleted();
        assertThat(a.started()).isZero();
        a.health(ProbeResult.READY);
        pass(Duration.ofSeconds(7));
        assertThat(health(llm, "a")).isEqualTo(HealthState.RAMPING);
    }

    @Test
    @DisplayName("C17: a frozen endpoint is suspected after 1.6 s, gets nothing new, and is back with its first byte")
    void aFrozenEndpointIsSuspected() {
        retry = RetryPolicy.none(); // or else the silent attempt is hedged, and given up
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        b.onStart(HealthScene::answer);
        CompletableFuture<Completion> stuck = call(llm);
        while (a.started() == 0) {
            stuck = call(llm);
        }
        a.health(SILENT);
        pass(Duration.ofMillis(1_599));
        assertThat(health(llm, "a")).isEqualTo(HealthState.HEALTHY);
        pass(Duration.ofMillis(1));
        assertThat(health(llm, "a")).isEqualTo(HealthState.SUSPECTED);
        for (int i = 0; i < 20; i++) {
            assertThat(call(llm)).isCompleted();
        }
        assertThat(a.started()).isOne();

        a.takeAttempt().chunk("late");
        world.settle();
        assertThat(health(llm, "a")).as("late is not dead").isEqualTo(HealthState.HEALTHY);
        stuck.cancel(true);
    }

    @Test
    @DisplayName(
            "C11: a busy endpoint that answers late and sends tokens stays in; one that is probed in vain and silent does not")
    void busyIsNotDead() {
        BalancedLlm llm = healthy(Endpoint.of("a", a));
        CompletableFuture<Completion> call = call(llm);
        ScriptedAttempt attempt = a.takeAttempt();
        a.health(SILENT);
        for (int i = 0; i < 100; i++) {
            pass(Duration.ofMillis(500));
            attempt.alive();
            world.settle();
            assertThat(health(llm, "a")).isEqualTo(HealthState.HEALTHY);
        }
        pass(Duration.ofSeconds(20));
        assertThat(health(llm, "a")).isEqualTo(HealthState.UNHEALTHY);
        call.cancel(true);
    }

    @Test
    @DisplayName("C17: a long prefill in silence costs probes and nothing else while they are answered")
    void aLongPrefillIsNotSuspected() {
        BalancedLlm llm = healthy(Endpoint.of("a", a));
        CompletionStream stream = llm.stream(REQUEST);
        pass(Duration.ofSeconds(60));
        assertThat(changes).hasSize(2);
        a.takeAttempt().chunk("at last").complete();
        world.settle();
        assertThat(stream.completion().text()).isEqualTo("at last");
    }

    @Test
    @DisplayName("A4: health never writes the in-flight count")
    void probesLeaveTheCountsAlone() {
        BalancedLlm llm = healthy(Endpoint.of("a", a));
        CompletableFuture<Completion> call = call(llm);
        a.health(DEAD);
        pass(Duration.ofSeconds(20));
        a.health(ProbeResult.READY);
        pass(Duration.ofSeconds(20));
        assertThat(llm.pool().endpoint("a").orElseThrow().inFlight()).isOne();
        call.cancel(true);
        world.settle();
        assertThat(llm.pool().endpoint("a").orElseThrow().inFlight()).isZero();
    }

    @Test
    void anEndpointThatIsReplacedIsJudgedAnew() {
        BalancedLlm llm = healthy(Endpoint.of("a", a));
        a.health(DEAD);
        pass(Duration.ofSeconds(20));
        assertThat(health(llm, "a")).isEqualTo(HealthState.UNHEALTHY);

        llm.pool().replace(Endpoint.of("a", b));
        assertThat(health(llm, "a")).isEqualTo(HealthState.UNKNOWN);
        pass(Duration.ofSeconds(1));
        assertThat(health(llm, "a")).isEqualTo(HealthState.RAMPING);
    }
}
