/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.event.HealthChange;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Endpoints that fail under a balancer on virtual time. */
@Timeout(60)
class HealthTest {
    private static final ProbeResult DEAD = new ProbeResult(ProbeResult.Status.UNHEALTHY, "refused");
    private static final ProbeResult LOADS = new ProbeResult(ProbeResult.Status.WARMING, "Loading model");
    private static final CompletableFuture<ProbeResult> SILENT = new CompletableFuture<>();

    private static final Duration STEP = Duration.ofMillis(50);

    private final OneThread world = new OneThread();
    private final List<BalancedLlm> open = new ArrayList<>();
    private final List<CompletableFuture<Completion>> futures = new ArrayList<>();
    private final List<HealthChange> changes = new ArrayList<>();
    private final ScriptedBackend a = new ScriptedBackend();
    private final ScriptedBackend b = new ScriptedBackend();
    private RetryPolicy retry = RetryPolicy.builder().budgetPerCall(1).build();
    private int taken;

    @AfterEach
    void everythingIsAtRest() {
        futures.forEach(future -> future.cancel(true)); // closing would wait for them on a clock that stands still
        world.settle();
        for (BalancedLlm llm : open) {
            llm.close();
            world.settle();
            assertThat(llm.statistics().running()).isZero();
        }
        assertThat(world.timers.pending()).as("timers after close").allMatch("probe timeout"::equals);
    }

    private BalancedLlm balancer(HealthCheck check, Endpoint... endpoints) {
        BalancedLlm.Builder builder =
                world.balancer().healthCheck(check).retry(retry).routing(RoutingPolicies.leastConnections());
        List.of(endpoints).forEach(builder::endpoint);
        BalancedLlm llm = builder.build();
        llm.pool().watch(this::note);
        open.add(llm);
        return llm;
    }

    private void note(PoolEvent event) {
        event.health().ifPresent(changes::add);
    }

    /** A balancer whose endpoints have been probed, and have had their slow start. */
    private BalancedLlm healthy(Endpoint... endpoints) {
        BalancedLlm llm = balancer(HealthCheck.defaults(), endpoints);
        pass(HealthCheck.DEFAULT_SLOW_START.multipliedBy(2));
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::health).containsOnly(HealthState.HEALTHY);
        return llm;
    }

    /** In steps, because probes go out on an executor, which runs between them. */
    private void pass(Duration time) {
        Duration left = time;
        while (left.compareTo(STEP) > 0) {
            world.pass(STEP);
            left = left.minus(STEP);
        }
        world.pass(left);
    }

    private CompletableFuture<Completion> call(BalancedLlm llm) {
        return call(llm, REQUEST);
    }

    private CompletableFuture<Completion> call(BalancedLlm llm, CompletionRequest request) {
        CompletableFuture<Completion> future = llm.completeAsync(request);
        futures.add(future);
        world.settle();
        return future;
    }

    private static HealthState health(BalancedLlm llm, String id) {
        return llm.pool().endpoint(id).orElseThrow().health();
    }

    private static void answer(ScriptedAttempt attempt) {
        attempt.chunk("fine").complete();
    }

    private static LlmException failure(Reason reason, int status) {
        return LlmException.builder(reason, "HTTP " + status).statusCode(status).build();
    }

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
        b.onStart(HealthTest::answer);
        List<CompletableFuture<Completion>> calls = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            calls.add(call(llm));
        }

        assertThat(calls).allSatisfy(call -> assertThat(call).isCompleted());
        assertThat(a.started()).as("asked once, then left alone").isOne();
        assertThat(health(llm, "a")).isEqualTo(HealthState.COOLING);
        a.onStart(HealthTest::answer);
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
        b.onStart(HealthTest::answer);
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
        b.onStart(HealthTest::answer);
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
        b.onStart(HealthTest::answer);
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
        ScriptedBackend c = new ScriptedBackend().onStart(HealthTest::answer);
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b), Endpoint.of("c", c));
        a.onStart(attempt -> attempt.fail(Reason.UNAVAILABLE));
        b.onStart(HealthTest::answer);
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
        a.onStart(HealthTest::answer);
        pass(Duration.ofSeconds(20));
        assertThat(waits).isCompleted();
    }

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
        b.onStart(HealthTest::answer);
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
    @DisplayName("C10: a good head and a first token are no success: truncated answers eject")
    void truncatedAnswersEject() {
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        a.onStart(attempt -> attempt.accept().chunk("Once").fail(Reason.TRUNCATED));
        b.onStart(HealthTest::answer);
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
            backend.onStart(HealthTest::answerUnlessPoison);
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

    @Test
    @DisplayName("C17: a frozen endpoint is suspected after 1.6 s, gets nothing new, and is back with its first byte")
    void aFrozenEndpointIsSuspected() {
        retry = RetryPolicy.none(); // or else the silent attempt is hedged, and given up
        BalancedLlm llm = healthy(Endpoint.of("a", a), Endpoint.of("b", b));
        b.onStart(HealthTest::answer);
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
