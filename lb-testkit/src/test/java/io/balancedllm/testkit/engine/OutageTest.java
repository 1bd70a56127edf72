/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Fleets that are gone, and fleets that are merely busy, on virtual time, with everything as it is by default. */
@Timeout(60)
class OutageTest {
    private static final ProbeResult DEAD = new ProbeResult(ProbeResult.Status.UNHEALTHY, "refused");
    private static final Duration STEP = Duration.ofMillis(50);
    private static final int ENDPOINTS = 3;

    private final OneThread world = new OneThread();
    private final List<ScriptedBackend> backends = new ArrayList<>();
    private final List<CompletableFuture<Completion>> calls = new ArrayList<>();
    private final BalancedLlm llm = build();
    private final List<HealthState> changes = new ArrayList<>();

    private BalancedLlm build() {
        BalancedLlm.Builder builder =
                world.balancer().healthCheck(HealthCheck.defaults()).routing(RoutingPolicies.leastConnections());
        for (int i = 0; i < ENDPOINTS; i++) {
            ScriptedBackend backend = new ScriptedBackend();
            backends.add(backend);
            builder.endpoint("e" + i, backend);
        }
        return builder.build();
    }

    @AfterEach
    void nothingIsLeft() {
        calls.forEach(call -> call.cancel(true));
        world.settle();
        llm.close();
        assertThat(llm.statistics().running()).isZero();
    }

    private void pass(Duration time) {
        for (Duration passed = Duration.ZERO; passed.compareTo(time) < 0; passed = passed.plus(STEP)) {
            world.pass(STEP);
        }
    }

    private void call() {
        calls.add(llm.with(CallOptions.builder().timeout(Duration.ofSeconds(30)).build())
                .completeAsync(REQUEST));
        world.settle();
    }

    private int attempts() {
        return backends.stream().mapToInt(ScriptedBackend::started).sum();
    }

    private void becomeHealthy() {
        pass(HealthCheck.DEFAULT_SLOW_START.multipliedBy(2));
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::health).containsOnly(HealthState.HEALTHY);
        llm.pool().watch(this::note);
    }

    private void note(PoolEvent event) {
        event.health().ifPresent(change -> changes.add(change.to()));
    }

    @Test
    @DisplayName(
            "C5: when all endpoints refuse for ten seconds, calls wait for them, and attempts stay within 1.2 per call and 3")
    void aTotalOutageIsWaitedOut() {
        becomeHealthy();
        for (ScriptedBackend backend : backends) {
            backend.health(DEAD).onStart(attempt -> attempt.fail(Reason.UNAVAILABLE));
        }
        for (int i = 0; i < 100; i++) {
            call();
            pass(Duration.ofMillis(100));
        }
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::health).containsOnly(HealthState.UNHEALTHY);
        assertThat(attempts()).as("most calls wait without trying").isLessThan(40);
        for (ScriptedBackend backend : backends) {
            backend.health(ProbeResult.READY)
                    .onStart(attempt -> attempt.chunk("fine").complete());
        }
        pass(Duration.ofSeconds(15));
        assertThat(calls).allSatisfy(call -> assertThat(call).isDone());
        List<CompletableFuture<Completion>> lost = calls.stream()
                .filter(CompletableFuture::isCompletedExceptionally)
                .toList();
        assertThat(lost).as("the first, before anything was known").hasSizeLessThanOrEqualTo(3);
        assertThat(lost)
                .allSatisfy(call ->
                        assertThat(OneThread.failureOf(call).attempts()).hasSize(RetryPolicy.DEFAULT_MAX_ATTEMPTS));
        assertThat(attempts()).isLessThanOrEqualTo((int) (1.2 * calls.size() + 3));
    }

    @Test
    @DisplayName("C8: a refused connection is followed by probes at once: a dead endpoint is out within two seconds")
    void aRefusedConnectionIsFollowedByProbes() {
        becomeHealthy();
        backends.get(0).health(DEAD).onStart(attempt -> attempt.fail(Reason.UNAVAILABLE));
        backends.get(1).onStart(attempt -> attempt.chunk("fine").complete());
        backends.get(2).onStart(attempt -> attempt.chunk("fine").complete());
        while (backends.get(0).started() == 0) {
            call();
        }
        pass(Duration.ofSeconds(2));
        assertThat(llm.pool().endpoint("e0").orElseThrow().health()).isEqualTo(HealthState.UNHEALTHY);
        assertThat(calls).allSatisfy(call -> assertThat(call).isCompleted());
    }

    /** An engine with four slots, a token of each every 50 ms, and a queue; its probes are never answered. */
    private static final class Saturated {
        private final Deque<ScriptedAttempt> queue = new ArrayDeque<>();
        private final Deque<ScriptedAttempt> running = new ArrayDeque<>();
        private final List<Integer> tokens = new ArrayList<>();

        Saturated(ScriptedBackend backend) {
            backend.health(new CompletableFuture<>()).onStart(queue::add);
        }

        void step() {
            queue.removeIf(ScriptedAttempt::isCancelAsked);
            while (running.size() < 4 && !queue.isEmpty()) {
                running.add(queue.remove());
                tokens.add(0);
            }
            for (int i = running.size(); i > 0; i--) {
                ScriptedAttempt attempt = running.remove();
                int sent = tokens.remove(0) + 1;
                if (attempt.isCancelAsked()) {
                    attempt.cancelled();
                } else if (sent < 40) {
                    attempt.chunk("token ");
                    running.add(attempt);
                    tokens.add(sent);
                } else {
                    attempt.chunk("end").complete();
                }
            }
        }
    }

    @Test
    @DisplayName(
            "C11: saturated endpoints that answer no probe for minutes, but go on with what they run, cost no attempt")
    void saturatedEndpointsAreNotSuspected() {
        becomeHealthy();
        List<Saturated> engines = backends.stream().map(Saturated::new).toList();
        for (int i = 0;
                i < 4_000 && !(calls.size() == 1_000 && calls.stream().allMatch(CompletableFuture::isDone));
                i++) {
            if (calls.size() < 1_000 && i % 3 == 0) { // 6.7 calls a second, of which they serve 6
                call();
            }
            engines.forEach(Saturated::step);
            world.pass(STEP);
        }
        assertThat(changes).isEmpty();
        assertThat(calls).hasSize(1_000);
        assertThat(llm.statistics().attempts()).as("extra ones").isLessThanOrEqualTo(calls.size() * 101L / 100);
        assertThat(llm.statistics().completed()).isEqualTo(calls.size());
    }
}
