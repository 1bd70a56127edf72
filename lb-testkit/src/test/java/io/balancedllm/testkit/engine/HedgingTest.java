/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.AttemptSummary.Outcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Role;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.metrics.EndpointStatistics;
import io.balancedllm.resilience.HedgingPolicy;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class HedgingTest {
    private static final Duration DELAY = Duration.ofMillis(200);

    private final OneThread world = new OneThread();
    private final RecordingListener listener = new RecordingListener();
    private final ObservingPolicy policy = new ObservingPolicy((call, candidates) -> candidates.get(0));
    private final ScriptedBackend a = new ScriptedBackend();
    private final ScriptedBackend b = new ScriptedBackend();
    private BalancedLlm llm = build(HedgingPolicy.after(DELAY), RetryPolicy.DEFAULT);

    private BalancedLlm build(HedgingPolicy hedging, RetryPolicy retry) {
        return world.balancer()
                .listener(listener)
                .routing(policy)
                .hedging(hedging)
                .retry(retry)
                .endpoint(Endpoint.builder("a", a).closeBackend(false).build())
                .endpoint(Endpoint.builder("b", b).closeBackend(false).build())
                .build();
    }

    private void rebuild(HedgingPolicy hedging, RetryPolicy retry) {
        llm.close();
        llm = build(hedging, retry);
    }

    @AfterEach
    void nothingIsLeft() {
        world.settle();
        listener.assertGrammar();
        policy.assertGrammar();
        assertThat(world.timers.pending()).isEmpty();
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::inFlight).containsOnly(0);
        assertThat(llm.statistics().running()).isZero();
        assertThat(a.running() + b.running()).isZero();
        llm.close();
    }

    private CompletableFuture<Completion> call() {
        CompletableFuture<Completion> future = llm.completeAsync(REQUEST);
        world.settle();
        return future;
    }

    private static List<Outcome> outcomes(CompletableFuture<Completion> call) {
        return call.join().decision().orElseThrow().attempts().stream()
                .map(AttemptSummary::outcome)
                .toList();
    }

    @Test
    @DisplayName("A7: the attempt that loses is cancelled, counts as no failure and is given back once")
    void theHedgeWinsAndTheLoserIsNeutral() {
        CompletableFuture<Completion> call = call();
        ScriptedAttempt slow = a.takeAttempt();
        world.pass(DELAY);
        ScriptedAttempt hedge = b.takeAttempt();
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::inFlight).containsExactly(1, 1);

        hedge.chunk("quick");
        assertThat(slow.isCancelAsked()).isTrue();
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::inFlight).containsExactly(0, 1);
        hedge.complete();
        world.settle();

        assertThat(call.join().text()).isEqualTo("quick");
        assertThat(outcomes(call)).containsExactly(Outcome.CANCELLED, Outcome.COMPLETED);
        EndpointStatistics loser = llm.statistics().endpoint("a").orElseThrow();
        assertThat(loser.failed()).isZero();
        assertThat(loser.cancelled()).isOne();
        assertThat(call.join().decision().orElseThrow().endpoint()).isEqualTo("b");
    }

    @Test
    void theFirstAttemptWinsWhenItsTokenComesFirst() {
        CompletableFuture<Completion> call = call();
        world.pass(DELAY);
        ScriptedAttempt hedge = b.takeAttempt();

        a.takeAttempt().chunk("after all").complete();
        world.settle();

        assertThat(call.join().text()).isEqualTo("after all");
        assertThat(hedge.isCancelAsked()).isTrue();
        assertThat(outcomes(call)).containsExactly(Outcome.CANCELLED, Outcome.COMPLETED);
    }

    @Test
    void aCallWithATokenIsNotHedged() {
        CompletableFuture<Completion> call = call();
        ScriptedAttempt attempt = a.takeAttempt().chunk("in time");
        world.pass(DELAY.multipliedBy(10));
        attempt.complete();
        world.settle();

        assertThat(call.join().text()).isEqualTo("in time");
        assertThat(b.started()).isZero();
    }

    @Test
    void chunksBeforeTheFirstTokenComeFromTheWinnerOnly() throws Exception {
        CompletionChunk role =
                CompletionChunk.Delta.builder(0).role(Role.ASSISTANT).build();
        try (CompletionStream stream = llm.stream(REQUEST)) {
            world.settle();
            a.takeAttempt().chunk(role).chunk(role).chunk(role);
            world.pass(DELAY);
            b.takeAttempt().chunk(role).chunk("once").chunk(" more").complete();
            world.settle();
            ExecutorService reader = Executors.newSingleThreadExecutor();
            try {
                Future<Completion> read = reader.submit(stream::completion);
                assertThat(read.get(10, TimeUnit.SECONDS).text()).isEqualTo("once more");
            } finally {
                reader.shutdownNow();
            }
        }
        world.settle();
        assertThat(listener.stories()).singleElement().asString().startsWith("SAA");
    }

    @Test
    void theHedgeGoesOnAloneWhenTheFirstFails() {
        CompletableFuture<Completion> call = call();
        world.pass(DELAY);
        ScriptedAttempt hedge = b.takeAttempt()
                .chunk(CompletionChunk.Delta.builder(0).role(Role.ASSISTANT).build());

        a.takeAttempt().fail(Reason.UNAVAILABLE);
        world.settle();
        hedge.chunk("alone").complete();
        world.settle();

        assertThat(call.join().text()).isEqualTo("alone");
        assertThat(outcomes(call)).containsExactly(Outcome.FAILED, Outcome.COMPLETED);
    }

    @Test
    void theFirstGoesOnAloneWhenTheHedgeFails() {
        CompletableFuture<Completion> call = call();
        world.pass(DELAY);
        b.takeAttempt().fail(Reason.UNAVAILABLE);
        world.settle();
        a.takeAttempt().chunk("alone").complete();
        world.settle();

        assertThat(call.join().text()).isEqualTo("alone");
        assertThat(outcomes(call)).containsExactly(Outcome.FAILED, Outcome.COMPLETED);
    }

    @Test
    void aFaultOfTheRequestEndsBoth() {
        CompletableFuture<Completion> call = call();
        world.pass(DELAY);
        b.takeAttempt().fail(Reason.INVALID_REQUEST);
        world.settle();

        assertThat(failureOf(call).reason()).isEqualTo(Reason.INVALID_REQUEST);
        assertThat(a.takeAttempt().isCancelAsked()).isTrue();
    }

    @Test
    void whenBothFailTheCallTriesOnceMore() {
        CompletableFuture<Completion> call = call();
        world.pass(DELAY);
        a.takeAttempt().fail(Reason.UNAVAILABLE);
        b.takeAttempt().fail(Reason.UNAVAILABLE);
        world.settle();
        world.pass(RetryPolicy.DEFAULT_LONGEST_BACKOFF);
        a.takeAttempt().chunk("third").complete();
        world.settle();

        assertThat(call.join().text()).isEqualTo("third");
        assertThat(outcomes(call)).hasSize(3);
    }

    @Test
    void theFirstFailsWhileTheHedgeIsBeingPicked() {
        CompletableFuture<Completion> call = call();
        world.timers.advance(DELAY); // but the loop has not picked yet
        a.takeAttempt().fail(Reason.UNAVAILABLE);
        assertThat(b.started()).isZero();
        world.settle();
        b.takeAttempt().chunk("instead").complete();
        world.settle();

        assertThat(call.join().text()).isEqualTo("instead");
        assertThat(llm.statistics().attempts()).isEqualTo(2);
    }

    @Test
    void aTokenThatComesWhileTheHedgeIsBeingPickedMakesItNeedless() {
        CompletableFuture<Completion> call = call();
        world.timers.advance(DELAY);
        a.takeAttempt().chunk("just in time").complete();
        world.settle();

        assertThat(call.join().text()).isEqualTo("just in time");
        assertThat(b.started()).isZero();
    }

    @Test
    void aCancelEndsBothAttempts() {
        CompletableFuture<Completion> call = call();
        world.pass(DELAY);
        call.cancel(true);
        world.settle();

        assertThat(a.takeAttempt().isCancelAsked()).isTrue();
        assertThat(b.takeAttempt().isCancelAsked()).isTrue();
        assertThat(llm.statistics().cancelled()).isOne();
    }

    @Test
    void hedgesArePaidFromTheBudgetOfRetries() {
        rebuild(
                HedgingPolicy.after(DELAY),
                RetryPolicy.builder().budgetReserve(1).budgetPerCall(0).build());
        CompletableFuture<Completion> first = call();
        CompletableFuture<Completion> second = call();
        world.pass(DELAY);
        assertThat(b.started()).isOne();

        b.takeAttempt().chunk("x").complete();
        a.takeAttempt();
        a.takeAttempt().chunk("x").complete();
        world.settle();
        assertThat(List.of(first, second)).allSatisfy(call -> assertThat(call).isCompleted());
    }

    @Test
    void callsThatMayNotBeRepeatedAndPoolsWithoutAnotherEndpointAreNotHedged() {
        var once = llm.with(CallOptions.builder().retryable(false).build()).completeAsync(REQUEST);
        world.settle();
        world.pass(DELAY);
        assertThat(b.started()).isZero();
        a.takeAttempt().complete();

        llm.pool().remove("b");
        CompletableFuture<Completion> alone = call();
        world.pass(DELAY);
        assertThat(a.started()).isEqualTo(2);
        a.takeAttempt().complete();
        world.settle();
        assertThat(once).isCompleted();
        assertThat(alone).isCompleted();
    }

    @Test
    void theDelayIsLearnedFromTheTimesToFirstTokenThereWere() {
        rebuild(HedgingPolicy.afterTimeToFirstTokenQuantile(0.9), RetryPolicy.DEFAULT);
        for (int i = 1; i <= HedgingPolicy.LEAST_SAMPLES; i++) {
            CompletableFuture<Completion> call = call();
            world.pass(Duration.ofMillis(i)); // 1 to 50 ms: the 90th percentile is 46
            a.takeAttempt().chunk("x").complete();
            world.settle();
            assertThat(call).isCompleted();
        }
        assertThat(b.started()).isZero();

        CompletableFuture<Completion> slow = call();
        world.pass(Duration.ofMillis(45));
        assertThat(b.started()).isZero();
        world.pass(Duration.ofMillis(1));
        b.takeAttempt().chunk("hedged").complete();
        world.settle();
        assertThat(slow.join().text()).isEqualTo("hedged");
    }

    @Test
    void embeddingsAreHedgedAfterAFixedDelay() throws Exception {
        Embeddings vectors = new Embeddings(null, List.of(new float[] {1}), null, Map.of());
        CompletableFuture<Embeddings> never = new CompletableFuture<>();
        CountDownLatch asked = new CountDownLatch(1);
        a.onEmbed(attempt -> {
            asked.countDown();
            return never;
        });
        b.onEmbed(attempt -> CompletableFuture.completedFuture(vectors));
        ExecutorService caller = Executors.newSingleThreadExecutor();
        try {
            Future<Embeddings> call = caller.submit(() -> llm.embed(EmbeddingRequest.of("x")));
            asked.await(); // or else the hedge may win before the first attempt has started, which then never does
            world.timers.awaitTimer("hedge");
            assertThat(asked.await(10, TimeUnit.SECONDS)).isTrue(); // what is over before it began is not begun
            while (!call.isDone()) {
                world.pass(DELAY);
            }
            assertThat(call.get().vectors()).hasSize(1);
        } finally {
            caller.shutdownNow();
        }
        // The thread that started it may only now learn that nobody wants it any more.
        assertThatThrownBy(() -> never.get(10, TimeUnit.SECONDS)).isInstanceOf(CancellationException.class);
    }

    @Test
    @DisplayName("C17: what a silent endpoint holds is hedged elsewhere, with hedging off, and goes to whoever answers")
    void anEndpointThatFallsSilentLosesNoCall() {
        BalancedLlm judged = world.balancer()
                .listener(listener)
                .routing(policy)
                .healthCheck(HealthCheck.builder().build())
                .endpoint("silent", a)
                .endpoint("b", b)
                .build();
        a.health(new CompletableFuture<>());
        CompletableFuture<Completion> first = judged.completeAsync(REQUEST);
        world.settle();
        ScriptedAttempt halfway = a.takeAttempt().chunk("never"); // collected: nothing of it was delivered
        passUntil(() -> b.started() > 0, Duration.ofSeconds(4));

        assertThat(halfway.isCancelAsked()).isFalse();
        b.takeAttempt().chunk("instead").complete();
        world.settle();
        assertThat(first.join().text()).isEqualTo("instead");
        assertThat(halfway.isCancelAsked()).isTrue();
        assertThat(judged.statistics().endpoint("silent").orElseThrow().failed())
                .isZero();
        assertThat(judged.statistics().running()).isZero();
        judged.close();
        world.pass(HealthCheck.DEFAULT_TIMEOUT); // for the probe nobody answered
    }

    private void passUntil(BooleanSupplier reached, Duration limit) {
        for (Duration passed = Duration.ZERO; !reached.getAsBoolean(); passed = passed.plus(DELAY)) {
            assertThat(passed).isLessThan(limit);
            world.pass(DELAY);
        }
    }
}
