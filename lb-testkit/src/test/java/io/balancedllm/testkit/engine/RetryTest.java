/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class RetryTest {
    private final OneThread world = new OneThread();
    private final RecordingListener listener = new RecordingListener();
    private final ScriptedBackend a = new ScriptedBackend();
    private final ScriptedBackend b = new ScriptedBackend();
    private final ScriptedBackend c = new ScriptedBackend();
    private final List<BalancedLlm> built = new ArrayList<>();

    private BalancedLlm build(BalancedLlm.Builder builder) {
        BalancedLlm llm = builder.listener(listener)
                .routing((call, candidates) -> candidates.get(0))
                .build();
        built.add(llm);
        return llm;
    }

    private BalancedLlm three() {
        return build(world.balancer().endpoint("a", a).endpoint("b", b).endpoint("c", c));
    }

    @AfterEach
    void nothingIsLeft() {
        world.settle();
        listener.assertSerialGrammar();
        assertThat(world.timers.pending()).isEmpty();
        for (BalancedLlm llm : built) {
            assertThat(llm.pool().endpoints())
                    .extracting(EndpointStatus::inFlight)
                    .allMatch(count -> count == 0);
            assertThat(llm.statistics().running()).isZero();
            assertThat(llm.waiting()).isZero();
            llm.close();
        }
    }

    private CompletableFuture<Completion> call(BalancedLlm llm) {
        CompletableFuture<Completion> future = llm.completeAsync(REQUEST);
        world.settle();
        return future;
    }

    private static BalancedLlm within(BalancedLlm llm, Duration timeout) {
        return llm.with(CallOptions.builder().timeout(timeout).build());
    }

    private void answer(ScriptedBackend backend, String text) {
        backend.takeAttempt().chunk(text).complete();
        world.settle();
    }

    private void fail(ScriptedBackend backend, Reason reason) {
        backend.takeAttempt().fail(reason);
        world.settle();
    }

    private void fail(ScriptedBackend backend, LlmException failure) {
        backend.takeAttempt().fail(failure);
        world.settle();
    }

    private static List<String> endpoints(List<AttemptSummary> attempts) {
        return attempts.stream().map(AttemptSummary::endpoint).toList();
    }

    @Test
    @DisplayName("C4: a failed attempt goes at once to an endpoint that was not tried, as long as there is one")
    void triedEndpointsAreExcludedWhileAnotherIsEligible() {
        CompletableFuture<Completion> call = call(three());

        fail(a, Reason.UNAVAILABLE);
        fail(b, Reason.UNAVAILABLE);
        answer(c, "from c");

        assertThat(endpoints(call.join().decision().orElseThrow().attempts())).containsExactly("a", "b", "c");
        assertThat(a.started()).isOne();
    }

    @Test
    void backToATriedEndpointItGoesOnlyAfterABackOff() {
        CompletableFuture<Completion> call = call(build(world.balancer().endpoint("a", a)));

        fail(a, Reason.UNAVAILABLE);
        assertThat(a.started()).isOne();
        assertThat(world.timers.pending()).containsExactly("back-off");
        world.pass(RetryPolicy.DEFAULT_FIRST_BACKOFF);
        assertThat(a.started()).isEqualTo(2);
        answer(a, "the second time");

        assertThat(call.join().text()).isEqualTo("the second time");
    }

    @Test
    void thePauseAnEndpointAsksForIsWaitedForWhenItIsTheOnlyOne() {
        CompletableFuture<Completion> call = call(build(world.balancer().endpoint("a", a)));

        fail(a, pausing(Duration.ofSeconds(5)));
        world.pass(Duration.ofMillis(4_999));
        assertThat(a.started()).isOne();
        world.pass(Duration.ofMillis(1));
        answer(a, "later");

        assertThat(call.join().text()).isEqualTo("later");
    }

    @ParameterizedTest(name = "{0} s")
    @ValueSource(ints = {61, 31})
    @DisplayName("C18: a pause beyond a minute, or beyond the deadline, fails at once and says when to come back")
    void aPauseThatIsTooLongFailsAtOnce(int seconds) {
        BalancedLlm llm = within(build(world.balancer().endpoint("a", a)), Duration.ofSeconds(30));
        CompletableFuture<Completion> call = call(llm);

        fail(a, pausing(Duration.ofSeconds(seconds)));

        LlmException failure = failureOf(call);
        assertThat(failure.reason()).isEqualTo(Reason.RATE_LIMITED);
        assertThat(failure.retryAfter()).contains(Duration.ofSeconds(seconds));
        assertThat(failure.attempts()).hasSize(1);
    }

    private static LlmException pausing(Duration pause) {
        return LlmException.builder(Reason.RATE_LIMITED, "not so fast")
                .retryAfter(pause)
                .build();
    }

    @Test
    @DisplayName("C18: a call that finds every endpoint cooling waits for the first to come back, in line")
    void everybodyCoolingIsWaitedFor() {
        BalancedLlm llm = build(world.balancer()
                .endpoint(Endpoint.builder("a", a).maxConcurrency(1).build())
                .retry(RetryPolicy.builder().maxAttempts(5).build()));
        CompletableFuture<Completion> call = call(within(llm, Duration.ofSeconds(30)));
        fail(a, pausing(Duration.ofSeconds(3)));
        CompletableFuture<Completion> other = call(llm);

        world.pass(Duration.ofSeconds(3)); // its pause is over, but the endpoint is full: it waits for room
        assertThat(llm.waiting()).isOne();
        answer(a, "other");
        answer(a, "first");

        assertThat(call.join().text()).isEqualTo("first");
        assertThat(other.join().text()).isEqualTo("other");
    }

    @Test
    @DisplayName("C5: in a total outage attempts stay within 1.2 per call and 3")
    void anOutageIsNotMultiplied() {
        int calls = 3_000;
        int[] attempts = new int[1];
        Consumer<ScriptedAttempt> refuse = attempt -> {
            attempts[0]++;
            attempt.fail(Reason.UNAVAILABLE);
        };
        a.onStart(refuse);
        b.onStart(refuse);
        c.onStart(refuse);
        BalancedLlm llm = within(three(), Duration.ofSeconds(2));
        List<CompletableFuture<Completion>> futures = new ArrayList<>();
        for (int i = 0; i < calls; i++) {
            futures.add(call(llm));
            world.pass(Duration.ofMillis(10));
        }
        assertThat(attempts[0]).isBetween((int) (1.19 * calls), (int) (1.2 * calls) + 3);

        world.pass(Duration.ofSeconds(3));
        assertThat(futures).allSatisfy(future -> assertThat(future).isCompletedExceptionally());
        long countedAtItsDeadline = llm.statistics().attempts() - attempts[0]; // ended before its backend was asked
        assertThat(countedAtItsDeadline).isBetween(0L, 1L);
    }

    @Test
    @DisplayName("C5: a call whose endpoint died waits for the budget instead of failing")
    void aCallWaitsForTheBudget() {
        BalancedLlm llm = build(world.balancer()
                .endpoint("a", a)
                .endpoint("b", b)
                .retry(RetryPolicy.builder().budgetReserve(0).budgetPerCall(0.5).build()));
        CompletableFuture<Completion> call = call(within(llm, Duration.ofSeconds(30)));
        fail(a, Reason.UNAVAILABLE);
        assertThat(b.started()).isZero();
        assertThat(world.timers.pending()).contains("retry budget");

        CompletableFuture<Completion> earns = call(llm);
        answer(a, "earned");
        answer(b, "paid");

        assertThat(earns.join().text()).isEqualTo("earned");
        assertThat(call.join().text()).isEqualTo("paid");
    }

    @Test
    @DisplayName(
            "C5: a lone caller, who earns nothing while it waits, goes on after a while where somebody would serve it")
    void aLoneCallerIsGivenTokensInTime() {
        BalancedLlm llm = build(world.balancer()
                .endpoint("a", a)
                .endpoint("b", b)
                .retry(RetryPolicy.builder().budgetReserve(0).build()));
        CompletableFuture<Completion> call = call(llm);
        CompletableFuture<Completion> next = call(llm);
        fail(a, Reason.UNAVAILABLE);
        fail(a, Reason.UNAVAILABLE);

        world.pass(RetryPolicy.BUDGET_TRICKLE.minusMillis(1));
        assertThat(b.started()).isZero();
        world.pass(Duration.ofMillis(1));
        assertThat(b.started()).as("one in that time").isOne();
        world.pass(RetryPolicy.BUDGET_TRICKLE);
        answer(b, "first");
        answer(b, "second");

        assertThat(call.join().text()).isEqualTo("first");
        assertThat(next.join().text()).isEqualTo("second");
    }

    @Test
    void withoutADeadlineTheBudgetIsWaitedForAMinuteAndAtADeadlineTheCallEndsTyped() {
        BalancedLlm llm = build(world.balancer()
                .endpoint("a", a)
                .endpoint("b", b)
                .retry(RetryPolicy.builder().budgetReserve(0).budgetPerCall(0).build()));
        CompletableFuture<Completion> patient = call(llm);
        CompletableFuture<Completion> hasty = call(within(llm, Duration.ofSeconds(1)));
        CompletableFuture<Completion> cancelled = call(llm);
        fail(a, Reason.UNAVAILABLE);
        fail(a, Reason.UNAVAILABLE);
        fail(a, Reason.UNAVAILABLE);

        cancelled.cancel(true);
        world.pass(Duration.ofSeconds(1));
        assertThat(failureOf(hasty).attempts()).hasSize(1);
        world.pass(RetryPolicy.DEFAULT_LONGEST_WAIT.minusMillis(1_001));
        assertThat(patient).isNotDone();
        world.pass(Duration.ofMillis(1));

        assertThat(failureOf(patient).reason()).isEqualTo(Reason.UNAVAILABLE);
        assertThat(b.started()).isZero();
    }

    @Test
    void retriesCanBeTurnedOff() {
        BalancedLlm llm =
                build(world.balancer().endpoint("a", a).endpoint("b", b).retry(RetryPolicy.none()));
        CompletableFuture<Completion> call = call(llm);

        fail(a, Reason.UNAVAILABLE);

        assertThat(failureOf(call)).hasMessageContaining("attempt 1 of at most 1");
    }

    @Test
    @DisplayName("C19: a request that fails two endpoints in the same way is at fault itself, and goes to no third")
    void aPoisonRequestIsNotTriedEverywhere() {
        CompletableFuture<Completion> poison = call(three());
        fail(a, Reason.SERVER_ERROR);
        fail(b, Reason.SERVER_ERROR);

        LlmException failure = failureOf(poison);
        assertThat(failure.reason()).isEqualTo(Reason.SERVER_ERROR);
        assertThat(failure.retryable()).isFalse();
        assertThat(failure).hasMessageContaining("failed in the same way");
        assertThat(c.started()).isZero();
    }

    @Test
    void differentFailuresOfTwoEndpointsAreNotTheRequestsFault() {
        CompletableFuture<Completion> call = call(three());
        fail(
                a,
                LlmException.builder(Reason.SERVER_ERROR, "inside")
                        .statusCode(500)
                        .build());
        fail(
                b,
                LlmException.builder(Reason.SERVER_ERROR, "inside")
                        .statusCode(507)
                        .build());
        answer(c, "fine");

        assertThat(call.join().text()).isEqualTo("fine");
    }

    @Test
    void aModelThatIsNotThereIsLookedForElsewhereAndTheListIsReadAnew() {
        a.traits(BackendTraits.builder().model("story").build());
        b.traits(BackendTraits.builder().model("story").build());
        BalancedLlm llm = build(world.balancer().endpoint("a", a).endpoint("b", b));
        CompletionRequest request =
                CompletionRequest.builder("story").user("Once").build();
        CompletableFuture<Completion> call = llm.completeAsync(request);
        a.traits(BackendTraits.builder().model("another").build());
        fail(a, Reason.MODEL_NOT_FOUND);
        answer(b, "found");
        assertThat(call.join().text()).isEqualTo("found");
        assertThat(llm.pool().endpoint("a").orElseThrow().models()).containsExactly("another");

        CompletableFuture<Completion> next = llm.completeAsync(request);
        answer(b, "at once");
        assertThat(next.join().decision().orElseThrow().attempts()).hasSize(1);
    }

    @Test
    void aModelNobodyHasIsNotAskedForAgainForAWhile() {
        BalancedLlm llm = build(world.balancer().endpoint("a", a));
        CompletionRequest request =
                CompletionRequest.builder("story").user("Once").build();
        CompletableFuture<Completion> call = llm.completeAsync(request);
        fail(a, Reason.MODEL_NOT_FOUND);
        assertThat(failureOf(call).reason()).isEqualTo(Reason.MODEL_NOT_FOUND);

        CompletableFuture<Completion> again = llm.completeAsync(request);
        world.settle();
        assertThat(failureOf(again).attempts()).isEmpty();
        world.pass(Duration.ofSeconds(30));
        CompletableFuture<Completion> later = llm.completeAsync(request);
        answer(a, "loaded by now");
        assertThat(later.join().text()).isEqualTo("loaded by now");
    }

    @Test
    void aPromptThatIsTooLongGoesToTheFallbackAndToNoOtherEndpointOfItsPool() {
        ScriptedBackend large = new ScriptedBackend();
        BalancedLlm llm = build(world.balancer()
                .endpoint("a", a)
                .endpoint("b", b)
                .fallback(EndpointPool.builder()
                        .healthCheck(HealthCheck.off())
                        .add(Endpoint.of("large", large))
                        .build()));
        CompletableFuture<Completion> call = call(llm);
        fail(a, Reason.CONTEXT_LENGTH_EXCEEDED);
        answer(large, "long");
        assertThat(endpoints(call.join().decision().orElseThrow().attempts())).containsExactly("a", "large");

        CompletableFuture<Completion> tooLongForAll = call(llm);
        fail(a, Reason.CONTEXT_LENGTH_EXCEEDED);
        fail(large, Reason.CONTEXT_LENGTH_EXCEEDED);
        assertThat(failureOf(tooLongForAll).reason()).isEqualTo(Reason.CONTEXT_LENGTH_EXCEEDED);
        assertThat(b.started()).isZero();
    }

    @Test
    void theFallbackServesWhatThePrimaryHasNobodyForAndIsClosedWithTheBalancer() {
        ClosingBackend spare = new ClosingBackend(ScriptedBackend.answering("spare"));
        BalancedLlm llm = build(world.balancer()
                .endpoint(Endpoint.builder("a", a).maxConcurrency(1).build())
                .fallback(EndpointPool.builder()
                        .healthCheck(HealthCheck.off())
                        .add(Endpoint.of("spare", spare))
                        .build()));
        CompletableFuture<Completion> running = call(llm);
        CompletableFuture<Completion> waits = call(llm); // full is not away: it waits
        assertThat(llm.waiting()).isOne();
        fail(a, Reason.UNAVAILABLE);
        assertThat(running.join().text()).isEqualTo("spare");
        answer(a, "a");
        assertThat(waits.join().text()).isEqualTo("a");

        llm.pool().remove("a");
        assertThat(call(llm).join().text()).isEqualTo("spare");
        llm.close();
        world.settle();
        assertThat(spare.closes()).isOne();
    }

    @Test
    void policiesSpreadTheFallbackToo() {
        ScriptedBackend second = ScriptedBackend.answering("y");
        BalancedLlm llm = world.balancer()
                .routing(RoutingPolicies.roundRobin())
                .fallback(EndpointPool.builder()
                        .healthCheck(HealthCheck.off())
                        .add(Endpoint.of("x", ScriptedBackend.answering("x")))
                        .add(Endpoint.of("y", second))
                        .build())
                .build();
        built.add(llm);
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            texts.add(call(llm).join().text());
        }
        assertThat(texts).containsOnly("x", "y").filteredOn("x"::equals).hasSize(2);
    }
}
