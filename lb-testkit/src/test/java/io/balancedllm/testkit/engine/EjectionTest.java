/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.resilience.RetryPolicy;
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

/** Endpoints that are taken out, or left in, for what they answer to calls. */
@Timeout(60)
class EjectionTest extends HealthScene {
    @Test
    @DisplayName("C1: a thousand bad requests take nobody out")
    void badRequestsTakeNobodyOut() {
        a.onStart(attempt -> attempt.fail(failure(Reason.INVALID_REQUEST, 400)));
        BalancedLlm llm = healthy(Endpoint.of("a", a));
        for (int i = 0; i < 1_000; i++) {
            assertThat(failureOf(call(llm)).reason()).isEqualTo(Reason.INVALID_REQUEST);
        }
        assertThat(health(llm, "a")).isEqualTo(HealthState.HEALTHY);
    }

    @Test
    @DisplayName("A7: a thousand cancels take nobody out")
    void cancelsTakeNobodyOut() {
        BalancedLlm llm = healthy(Endpoint.of("a", a));
        for (int i = 0; i < 1_000; i++) {
            CompletableFuture<Completion> call = call(llm);
            a.takeAttempt().chunk("half");
            call.cancel(true);
            world.settle();
        }
        assertThat(health(llm, "a")).isEqualTo(HealthState.HEALTHY);
        assertThat(changes).hasSize(2);
    }

    @Test
    @DisplayName("C2: an endpoint that asks for a moment gets it; the call goes elsewhere now, and nothing is ejected")
    void backPressureIsAPauseForOneEndpoint() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        a.onStart(attempt -> attempt.fail(LlmException.builder(Reason.RATE_LIMITED, "slow down")
                .statusCode(429)
                .retryAfter(Duration.ofSeconds(8))
                .build()));
        b.onStart(HealthScene::answer);
        List<CompletableFuture<Completion>> calls = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            calls.add(call(llm));
        }

        assertThat(calls).allSatisfy(call -> assertThat(call).isCompleted());
        assertThat(a.started()).as("asked once, then left alone").isOne();
        assertThat(health(llm, "a")).isEqualTo(HealthState.COOLING);
        a.onStart(HealthScene::answer);
        pass(Duration.ofSeconds(8));
        assertThat(health(llm, "a")).isEqualTo(HealthState.HEALTHY);
    }

    @Test
    @DisplayName("C18: when all ask for a moment, calls wait for the soonest")
    void callsWaitForTheSoonest() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        var toA = call(llm);
        var toB = call(llm);
        a.takeAttempt()
                .fail(LlmException.builder(Reason.RATE_LIMITED, "")
                        .statusCode(429)
                        .retryAfter(Duration.ofSeconds(9))
                        .build());
        b.takeAttempt()
                .fail(LlmException.builder(Reason.RATE_LIMITED, "")
                        .statusCode(429)
                        .retryAfter(Duration.ofSeconds(5))
                        .build());
        world.settle();
        CompletableFuture<Completion> waits = call(llm);
        assertThat(waits).isNotDone();
        int before = b.started();

        pass(Duration.ofSeconds(5).minusNanos(1));
        assertThat(b.started()).isEqualTo(before);
        b.onStart(HealthScene::answer);
        pass(Duration.ofNanos(1));

        assertThat(waits).isCompleted();
        toA.cancel(true);
        toB.cancel(true);
    }

    @Test
    @DisplayName("C3: a refused key takes the endpoint out for a minute, and no call is lost for it")
    void aRefusedKeyIsQuarantined() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        a.onStart(attempt -> attempt.fail(failure(Reason.UNAUTHORIZED, 401)));
        b.onStart(HealthScene::answer);
        for (int i = 0; i < 200; i++) {
            assertThat(call(llm)).isCompleted();
            pass(Duration.ofMillis(250));
        }
        assertThat(health(llm, "a")).isEqualTo(HealthState.QUARANTINED);
        assertThat(a.started()).isOne();
    }

    @Test
    @DisplayName("C20: an engine that refuses because it shuts down is left alone though its probes are answered")
    void anEngineThatShutsDownIsLeftAlone() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        a.onStart(attempt -> attempt.fail(
                LlmException.builder(Reason.UNAVAILABLE, "HTTP 500: cannot schedule new futures after shutdown")
                        .statusCode(500)
                        .build()));
        b.onStart(HealthScene::answer);
        for (int i = 0; i < 100; i++) {
            assertThat(call(llm)).isCompleted();
            pass(Duration.ofMillis(100));
        }
        assertThat(a.started()).isOne();
        assertThat(health(llm, "a")).isEqualTo(HealthState.STOPPING);
    }

    @Test
    @DisplayName(
            "C6, C7: an endpoint that fails fast is ejected after five failures and gets less than 1 % from then on")
    void aSinkholeGetsNextToNothing() {
        ScriptedBackend c = new ScriptedBackend().onStart(HealthScene::answer);
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b), Endpoint.of("c", c));
        a.onStart(attempt -> attempt.fail(Reason.UNAVAILABLE));
        b.onStart(HealthScene::answer);
        int calls = 3_000;
        for (int i = 0; i < calls; i++) {
            assertThat(call(llm)).isCompleted();
            pass(Duration.ofMillis(100));
        }

        assertThat(llm.statistics().endpoint("a").orElseThrow().healthChanges()).containsKey(HealthState.EJECTED);
        assertThat(a.started()).as("of %d", calls).isLessThan(calls / 100);
        assertThat(b.started()).isGreaterThan(calls / 3);
        assertThat(c.started()).isGreaterThan(calls / 3);
    }

    @Test
    @DisplayName("C8: at most half of the pool is ejected, and no ejected endpoint is picked while another is eligible")
    void halfOfThePoolStays() {
        retry = RetryPolicy.none();
        ScriptedBackend c = new ScriptedBackend();
        ScriptedBackend d = new ScriptedBackend();
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b), Endpoint.of("c", c), Endpoint.of("d", d));
        for (ScriptedBackend backend : List.of(a, b, c, d)) {
            backend.onStart(attempt -> attempt.fail(Reason.UNAVAILABLE));
        }
        for (int i = 0; i < 100; i++) {
            long ejected = ejected(llm);
            assertThat(ejected).isLessThanOrEqualTo(2);
            failureOf(call(llm));
        }
        assertThat(ejected(llm)).isEqualTo(2);
    }

    private static long ejected(BalancedLlm llm) {
        return llm.pool().endpoints().stream()
                .filter(endpoint -> endpoint.health() == HealthState.EJECTED)
                .count();
    }

    @Test
    @DisplayName("C8: the only endpoint is asked though it is ejected, unless its probes fail, too: then calls wait")
    void panicUnlessProbesContradict() {
        retry = RetryPolicy.none();
        a.onStart(attempt -> attempt.fail(Reason.UNAVAILABLE));
        BalancedLlm llm = healthy(Endpoint.of("a", a));
        for (int i = 0; i < 5; i++) {
            failureOf(call(llm));
        }
        assertThat(health(llm, "a")).isEqualTo(HealthState.EJECTED);
        int before = a.started();
        failureOf(call(llm));
        assertThat(a.started()).as("a last resort").isGreaterThan(before);

        a.health(DEAD);
        pass(Duration.ofSeconds(15));
        before = a.started();
        CompletableFuture<Completion> waits = call(llm);
        assertThat(a.started()).isEqualTo(before);
        assertThat(waits).isNotDone();
        a.health(ProbeResult.READY);
        a.onStart(HealthScene::answer);
        pass(Duration.ofSeconds(20));
        assertThat(waits).isCompleted();
    }

    @Test
    @DisplayName("C10: a good head and a first token are no success: truncated answers eject")
    void truncatedAnswersEject() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        a.onStart(attempt -> attempt.accept().chunk("Once").fail(Reason.TRUNCATED));
        b.onStart(HealthScene::answer);
        for (int i = 0; i < 30; i++) {
            assertThat(call(llm)).isCompleted();
        }
        assertThat(health(llm, "a")).isEqualTo(HealthState.EJECTED);
        assertThat(a.started()).isEqualTo(5);
    }

    @Test
    @DisplayName("C19: a request that fails on two endpoints is at fault itself: it fails, and they are not blamed")
    void aPoisonRequestHarmsNobody() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        llm.switchRouting(RoutingPolicies.roundRobin());
        for (ScriptedBackend backend : List.of(a, b)) {
            backend.onStart(EjectionTest::answerUnlessPoison);
        }
        int poisoned = 0;
        for (int i = 0; i < 300; i++) {
            if (i % 5 == 4) {
                LlmException failure = failureOf(call(llm, CompletionRequest.of("poison")));
                assertThat(failure.reason()).isEqualTo(Reason.SERVER_ERROR);
                assertThat(failure.attempts()).as("tried on both, and no more").hasSize(2);
                poisoned++;
            } else {
                assertThat(call(llm)).isCompleted();
            }
            pass(Duration.ofMillis(50));
        }
        assertThat(poisoned).isEqualTo(60);
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::health).containsOnly(HealthState.HEALTHY);
    }

    private static void answerUnlessPoison(ScriptedAttempt attempt) {
        if (attempt.request().equals(REQUEST)) {
            answer(attempt);
        } else {
            attempt.fail(failure(Reason.SERVER_ERROR, 500));
        }
    }
}
