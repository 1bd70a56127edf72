/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Endpoints that come back after they were taken out. */
@Timeout(60)
class RecoveryTest extends HealthScene {
    private int taken;

    @Test
    @DisplayName("C9: one request tries a half-open endpoint; a cancel frees the place, and so does time")
    void oneRequestTriesAHalfOpenEndpoint() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        eject(llm);
        List<CompletableFuture<Completion>> calls = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            calls.add(call(llm));
        }
        int before = a.started();
        pass(Duration.ofSeconds(5));
        assertThat(health(llm, "a")).isEqualTo(HealthState.HALF_OPEN);

        CompletableFuture<Completion> first = call(llm);
        calls.add(call(llm));
        assertThat(a.started()).as("one of two").isEqualTo(before + 1);
        first.cancel(true);
        world.settle();
        calls.add(call(llm));
        assertThat(a.started()).as("the place is free again").isEqualTo(before + 2);
        assertThat(health(llm, "a")).isEqualTo(HealthState.HALF_OPEN);

        // Nothing is heard of the second one, which no longer keeps others from trying.
        pass(Duration.ofSeconds(30));
        calls.add(call(llm));
        assertThat(a.started()).isEqualTo(before + 3);
        answer(lastAttempt());
        world.settle();
        assertThat(health(llm, "a")).isEqualTo(HealthState.RAMPING);
        calls.forEach(call -> call.cancel(true));
    }

    /** Of those that no one took. */
    private ScriptedAttempt lastAttempt() {
        ScriptedAttempt last = a.takeAttempt();
        for (int left = a.started() - taken - 1; left > 0; left--) {
            last = a.takeAttempt();
        }
        return last;
    }

    private void eject(BalancedLlm llm) {
        a.onStart(attempt -> attempt.fail(Reason.UNAVAILABLE));
        b.onStart(HealthScene::answer);
        for (int i = 0; i < 50 && health(llm, "a") != HealthState.EJECTED; i++) {
            assertThat(call(llm)).isCompleted();
        }
        a.onStart(attempt -> {});
        b.onStart(attempt -> {});
        for (int i = 0; i < a.started(); i++) {
            a.takeAttempt();
        }
        taken = a.started();
        assertThat(health(llm, "a")).isEqualTo(HealthState.EJECTED);
    }

    @Test
    @DisplayName("C9: failures of requests from before a recovery do not eject the endpoint again")
    void lateFailuresDoNotEjectAgain() {
        BalancedLlm llm = healthy(Endpoint.of("a", a));
        List<CompletableFuture<Completion>> old = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            old.add(call(llm));
        }
        a.health(DEAD);
        pass(Duration.ofSeconds(15));
        assertThat(health(llm, "a")).isEqualTo(HealthState.UNHEALTHY);
        a.health(ProbeResult.READY);
        pass(Duration.ofSeconds(6));
        assertThat(health(llm, "a")).isEqualTo(HealthState.RAMPING);

        for (int i = 0; i < 10; i++) {
            a.takeAttempt().fail(Reason.TRUNCATED);
        }
        assertThat(health(llm, "a")).isEqualTo(HealthState.RAMPING);
        old.forEach(call -> call.cancel(true));
        world.settle();
    }

    @Test
    @DisplayName("C16: an endpoint that comes back gets a share that grows, under every policy")
    void theShareOfAnEndpointThatComesBackGrows() {
        for (String policy : RoutingPolicies.names()) {
            ScriptedBackend warm = ScriptedBackend.answering("warm");
            ScriptedBackend cold = ScriptedBackend.answering("cold");
            BalancedLlm llm = healthy(Endpoint.of("warm", warm), Endpoint.of("cold", cold));
            llm.switchRouting(RoutingPolicies.named(policy));
            cold.health(DEAD);
            pass(Duration.ofSeconds(20));
            cold.health(ProbeResult.READY);
            while (health(llm, "cold") != HealthState.RAMPING) {
                pass(Duration.ofMillis(50));
            }
            int[] shares = new int[3];
            for (int phase = 0; phase < 3; phase++) {
                int before = cold.started();
                for (int i = 0; i < 333; i++) {
                    assertThat(call(llm)).isCompleted();
                    pass(Duration.ofMillis(10));
                }
                shares[phase] = cold.started() - before;
            }
            assertThat(shares[0]).as(policy).isBetween(15, 60);
            assertThat(shares[1]).as(policy).isBetween(55, 115);
            assertThat(shares[2]).as(policy).isBetween(110, 170);
            assertThat(health(llm, "cold")).isEqualTo(HealthState.RAMPING);
            pass(Duration.ofSeconds(1));
            assertThat(health(llm, "cold")).isEqualTo(HealthState.HEALTHY);
        }
    }

    @Test
    @DisplayName("C16: under load an endpoint that comes back is not flooded to catch up")
    void anIdleEndpointIsNotFlooded() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        a.health(DEAD);
        pass(Duration.ofSeconds(15));
        List<CompletableFuture<Completion>> calls = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            calls.add(call(llm));
        }
        a.health(ProbeResult.READY);
        while (health(llm, "a") != HealthState.RAMPING) {
            pass(Duration.ofMillis(50));
        }
        for (int i = 0; i < 100; i++) {
            calls.add(call(llm));
        }
        assertThat(llm.pool().endpoint("a").orElseThrow().inFlight()).isBetween(1, 20);
        calls.forEach(call -> call.cancel(true));
    }
}
