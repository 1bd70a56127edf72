/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.resilience.AdmissionControl;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class AdmissionTest {
    private static final Duration SERVICE = Duration.ofMillis(100);

    private final OneThread world = new OneThread();
    private final ScriptedBackend backend = new ScriptedBackend();
    private final List<BalancedLlm> built = new ArrayList<>();

    private BalancedLlm build(int maxConcurrency, AdmissionControl admission) {
        BalancedLlm llm = world.balancer()
                .endpoint(Endpoint.builder("a", backend)
                        .maxConcurrency(maxConcurrency)
                        .build())
                .admission(admission)
                .build();
        built.add(llm);
        return llm;
    }

    @AfterEach
    void close() {
        while (backend.running() > 0) {
            backend.takeAttempt().complete();
            world.settle();
        }
        world.pass(Duration.ofMinutes(2));
        built.forEach(llm -> {
            assertThat(llm.waiting()).isZero();
            assertThat(llm.statistics().running()).isZero();
            llm.close();
        });
        assertThat(world.timers.pending()).isEmpty();
    }

    private CompletableFuture<Completion> call(BalancedLlm llm, CallOptions options, String prompt) {
        CompletableFuture<Completion> future = llm.with(options).completeAsync(CompletionRequest.of(prompt));
        world.settle();
        return future;
    }

    private static CallOptions within(Duration timeout) {
        return CallOptions.builder().timeout(timeout).build();
    }

    /** A line that drains by one call each 100 ms, with {@code left} calls in it in the end. */
    private void drain(BalancedLlm llm, int starts, int left) {
        for (int i = 0; i < 1 + starts + left; i++) {
            var unused = call(llm, CallOptions.DEFAULT, "steady");
        }
        for (int i = 0; i < starts; i++) {
            world.pass(SERVICE);
            backend.takeAttempt().complete();
            world.settle();
        }
        assertThat(llm.waiting()).isEqualTo(left);
    }

    @Test
    void theMoreUrgentGoesFirstAndAmongEqualsWhoCameFirst() {
        BalancedLlm llm = build(1, AdmissionControl.DEFAULT);
        List<CompletableFuture<Completion>> calls = new ArrayList<>();
        calls.add(call(llm, CallOptions.DEFAULT, "running"));
        for (String prompt : List.of("0 first", "5 first", "-1", "0 second", "5 second")) {
            int priority = Integer.parseInt(prompt.split(" ", 2)[0]);
            calls.add(call(llm, CallOptions.builder().priority(priority).build(), prompt));
        }

        List<CompletionRequest> order = new ArrayList<>();
        while (backend.running() > 0) {
            ScriptedAttempt attempt = backend.takeAttempt();
            order.add(attempt.request());
            attempt.complete();
            world.settle();
        }

        assertThat(order)
                .containsExactly(
                        CompletionRequest.of("running"),
                        CompletionRequest.of("5 first"),
                        CompletionRequest.of("5 second"),
                        CompletionRequest.of("0 first"),
                        CompletionRequest.of("0 second"),
                        CompletionRequest.of("-1"));
        assertThat(calls).allSatisfy(call -> assertThat(call).isCompleted());
    }

    @Test
    void whatCannotStartBeforeItsDeadlineIsRefusedAtOnceWithTheSoonestTime() {
        BalancedLlm llm = build(1, AdmissionControl.DEFAULT);
        drain(llm, AdmissionControl.LEAST_SAMPLES + 1, 9);

        CompletableFuture<Completion> hopeless = call(llm, within(Duration.ofMillis(800)), "hopeless");

        LlmException refused = failureOf(hopeless);
        assertThat(refused.reason()).isEqualTo(Reason.REJECTED);
        assertThat(refused).hasMessageContaining("after its deadline");
        assertThat(refused.retryAfter().orElseThrow()).isBetween(Duration.ofMillis(850), Duration.ofMillis(1_000));
        assertThat(refused.attempts()).isEmpty();
        assertThat(call(llm, within(Duration.ofMillis(1_100)), "in time")).isNotDone();
        assertThat(call(
                        llm,
                        CallOptions.builder()
                                .timeout(Duration.ofMillis(800))
                                .priority(1)
                                .build(),
                        "urgent"))
                .isNotDone();
    }

    @Test
    void aLineWithoutAMeasuredPaceRefusesNobodyForTheirDeadline() {
        BalancedLlm llm = build(1, AdmissionControl.DEFAULT);
        drain(llm, AdmissionControl.LEAST_SAMPLES - 1, 9);

        assertThat(call(llm, within(Duration.ofMillis(1)), "hopes")).isNotDone();
    }

    @Test
    void sheddingCanBeTurnedOff() {
        BalancedLlm llm = build(1, AdmissionControl.builder().shedding(false).build());
        drain(llm, 20, 9);

        CompletableFuture<Completion> hopes = call(llm, within(Duration.ofMillis(1)), "hopes");

        assertThat(hopes).isNotDone();
        world.pass(Duration.ofMillis(1));
        assertThat(failureOf(hopes).reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
    }

    @Test
    void anAdaptiveLimitSettlesWhereTheTimeToFirstTokenMeetsItsTarget() {
        BalancedLlm llm = build(
                256,
                AdmissionControl.builder()
                        .targetTimeToFirstToken(Duration.ofMillis(200))
                        .build());
        for (int i = 0; i < 500; i++) {
            var unused = call(llm, CallOptions.DEFAULT, "many");
        }
        assertThat(llm.pool().endpoints().get(0).inFlight()).isEqualTo(AdmissionControl.FIRST_LIMIT);

        // An engine that answers in turn, 10 ms each: twenty at a time meet the target.
        List<Integer> limits = new ArrayList<>();
        for (int i = 0; i < 2_000; i++) {
            var unused = call(llm, CallOptions.DEFAULT, "more");
            world.pass(Duration.ofMillis(10));
            backend.takeAttempt().chunk("x").complete();
            world.settle();
            limits.add(llm.pool().endpoints().get(0).inFlight());
        }

        assertThat(limits.subList(1_000, 2_000)).allMatch(limit -> limit >= 16 && limit <= 21);
    }

    @Test
    void anOverloadedEndpointGetsFewerAtATime() {
        BalancedLlm llm = build(
                256,
                AdmissionControl.builder()
                        .targetTimeToFirstToken(Duration.ofSeconds(1))
                        .build());
        for (int i = 0; i < 20; i++) {
            var unused = call(llm, CallOptions.builder().retryable(false).build(), "many");
        }
        backend.takeAttempt().fail(Reason.OVERLOADED);
        world.settle();

        assertThat(llm.pool().endpoints().get(0).inFlight()).isEqualTo(AdmissionControl.FIRST_LIMIT - 1);
    }
}
