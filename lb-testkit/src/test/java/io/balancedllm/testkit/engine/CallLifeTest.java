/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Role;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
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

@Timeout(20)
class CallLifeTest {
    private final OneThread world = new OneThread();
    private final RecordingListener listener = new RecordingListener();
    private final ObservingPolicy policy = new ObservingPolicy(inOrder());
    private final ScriptedBackend a = new ScriptedBackend();
    private final ScriptedBackend b = new ScriptedBackend();

    private static RoutingPolicy inOrder() {
        return (call, candidates) -> candidates.get(0);
    }

    private BalancedLlm.Builder builder() {
        return world.balancer().listener(listener).routing(policy);
    }

    private final BalancedLlm one = builder()
            .endpoint(Endpoint.builder("a", a).maxConcurrency(1).build())
            .maxWaiting(1)
            .build();
    private final BalancedLlm two = builder().endpoint("a", a).endpoint("b", b).build();

    @AfterEach
    void nothingIsLeft() {
        world.settle();
        listener.assertSerialGrammar();
        policy.assertGrammar();
        assertThat(world.timers.pending()).isEmpty();
        for (BalancedLlm llm : List.of(one, two)) {
            assertThat(llm.pool().endpoints())
                    .extracting(EndpointStatus::inFlight)
                    .allMatch(count -> count == 0);
            assertThat(llm.statistics().running()).isZero();
            llm.close();
        }
    }

    private CompletableFuture<Completion> call(BalancedLlm llm) {
        CompletableFuture<Completion> future = llm.completeAsync(REQUEST);
        world.settle();
        return future;
    }

    @Test
    @DisplayName("A5: a call refused by the waiting line, or cancelled in it, never touches in flight")
    void onlyAttemptsCount() {
        CompletableFuture<Completion> running = call(one);
        CompletableFuture<Completion> waiting = call(one);
        assertThat(one.waiting()).isOne();

        LlmException refused = failureOf(call(one));
        assertThat(refused.reason()).isEqualTo(Reason.REJECTED);
        assertThat(refused).hasMessageContaining("1 calls are waiting").hasMessageContaining("add endpoints");
        waiting.cancel(true);
        world.settle();

        assertThat(one.waiting()).isZero();
        assertThat(one.pool().endpoints().get(0).inFlight()).isOne();
        assertThat(one.statistics().attempts()).isOne();
        assertThat(one.statistics().waiting().total().count())
                .as("calls that waited")
                .isOne();
        assertThat(a.started()).isOne();
        a.takeAttempt().complete();
        world.settle();
        assertThat(running).isCompleted();
        assertThat(listener.stories()).containsExactlyInAnyOrder("SAEX", "SWX", "SX");
    }

    @Test
    void whoWaitsLongestGoesFirstAndNobodyOvertakes() {
        List<CompletableFuture<Completion>> calls = new ArrayList<>();
        BalancedLlm line = builder()
                .endpoint(Endpoint.builder("a", a).maxConcurrency(1).build())
                .build();
        for (int i = 0; i < 4; i++) {
            calls.add(line.completeAsync(CompletionRequest.of("call " + i)));
        }
        for (int i = 0; i < 4; i++) {
            ScriptedAttempt attempt = a.takeAttempt();
            assertThat(attempt.request()).isEqualTo(CompletionRequest.of("call " + i));
            attempt.complete(); // room is free, and the line not yet served: a new call must not take it
            if (i == 0) {
                calls.add(line.completeAsync(CompletionRequest.of("late")));
            }
            world.settle();
        }
        a.takeAttempt().complete();
        world.settle();
        assertThat(calls).allSatisfy(call -> assertThat(call).isCompleted());
        line.close();
    }

    @Test
    void aCallForAnIdleModelPassesThoseThatWaitForABusyOne() {
        BalancedLlm models = builder()
                .endpoint(
                        Endpoint.builder("a", a).model("busy").maxConcurrency(1).build())
                .endpoint(Endpoint.builder("b", b).model("idle").build())
                .build();
        var busy = CompletionRequest.builder("busy").user("x").build();
        var idle = CompletionRequest.builder("idle").user("x").build();
        CompletableFuture<Completion> first = models.completeAsync(busy);
        CompletableFuture<Completion> second = models.completeAsync(busy);

        CompletableFuture<Completion> passes = models.completeAsync(idle);
        world.settle();

        b.takeAttempt().complete();
        world.settle();
        assertThat(passes).isCompleted();
        assertThat(second).isNotDone();
        a.takeAttempt().complete();
        world.settle();
        a.takeAttempt().complete();
        world.settle();
        assertThat(List.of(first, second)).allSatisfy(call -> assertThat(call).isCompleted());
        models.close();
    }

    @Test
    void aLineFullOfCallsForABusyModelGetsNoCallForAnIdleOneRefused() {
        BalancedLlm models = builder()
                .endpoint(
                        Endpoint.builder("a", a).model("busy").maxConcurrency(1).build())
                .endpoint(
                        Endpoint.builder("b", b).model("idle").maxConcurrency(1).build())
                .maxWaiting(1)
                .build();
        CompletionRequest busy = CompletionRequest.builder("busy").user("x").build();
        CompletionRequest idle = CompletionRequest.builder("idle").user("x").build();
        List<CompletableFuture<Completion>> served = new ArrayList<>();
        served.add(models.completeAsync(busy));
        served.add(models.completeAsync(busy));
        assertThat(models.waiting()).isOne();

        served.add(models.completeAsync(idle));
        CompletableFuture<Completion> late = models.completeAsync(idle); // finds the place taken when its turn comes
        CompletableFuture<Completion> refused = models.completeAsync(busy);
        CompletableFuture<Completion> unknown = models.completeAsync(
                CompletionRequest.builder("unknown").user("x").build());
        world.callbacks.runAll(); // but not the loop: a refusal costs next to nothing
        assertThat(failureOf(refused).reason()).isEqualTo(Reason.REJECTED);
        world.settle();

        assertThat(failureOf(late).reason()).isEqualTo(Reason.REJECTED);
        assertThat(failureOf(unknown).reason()).isEqualTo(Reason.MODEL_NOT_FOUND);
        b.takeAttempt().complete();
        for (int i = 0; i < 2; i++) {
            a.takeAttempt().complete();
            world.settle();
        }
        assertThat(served).allSatisfy(call -> assertThat(call).isCompleted());
        models.close();
    }

    @Test
    void aCallThatWaitsIsToldWhenTheLastEndpointLeaves() {
        CompletableFuture<Completion> running = call(one);
        CompletableFuture<Completion> waiting = call(one);

        one.pool().remove("a");
        world.settle();

        assertThat(failureOf(waiting)).hasMessageContaining("the pool has no endpoint");
        a.takeAttempt().complete();
        world.settle();
        assertThat(running).isCompleted();
    }

    @Test
    void aHigherLimitAResumedAndANewEndpointLetTheLineMove() {
        BalancedLlm line = builder()
                .endpoint(Endpoint.builder("a", a).maxConcurrency(1).build())
                .build();
        for (int i = 0; i < 4; i++) {
            var unused = line.completeAsync(REQUEST);
        }
        assertThat(line.waiting()).isEqualTo(3);

        line.pool().updateMaxConcurrency("a", 2);
        world.settle();
        assertThat(line.waiting()).isEqualTo(2);
        line.pool().add(Endpoint.builder("b", b).maxConcurrency(1).build());
        world.settle();
        assertThat(line.waiting()).isOne();
        CompletableFuture<Boolean> drained = line.pool().drain("b");
        b.takeAttempt().complete();
        world.settle();
        assertThat(drained).isCompletedWithValue(true);
        assertThat(line.waiting()).isOne();
        line.pool().resume("b");
        world.settle();
        assertThat(line.waiting()).isZero();
        b.takeAttempt().complete();
        a.takeAttempt().complete();
        a.takeAttempt().complete();
        world.settle();
        line.close();
    }

    @Test
    void aCallCancelledWhileItIsBeingPickedTellsItsAttemptToTheEnd() {
        List<CompletableFuture<Completion>> second = new ArrayList<>();
        RoutingPolicy cancels = new RoutingPolicy() {
            @Override
            public EndpointView pick(RoutingContext call, Candidates candidates) {
                if (call.attempt() == 2) {
                    second.get(0).cancel(true);
                }
                return candidates.get(0);
            }
        };
        ObservingPolicy observed = policy.next(cancels);
        two.switchRouting(observed);
        second.add(call(two));

        a.takeAttempt().fail(Reason.SERVER_ERROR);
        world.settle();

        assertThat(listener.stories()).containsExactly("SAEAEX");
        observed.assertGrammar();
        assertThat(observed.attempts()).isEqualTo(2);
        assertThat(b.started()).isZero();
        assertThat(two.statistics().cancelled()).isOne();
    }

    @Test
    @DisplayName("A7: a cancelled attempt is told as cancelled, never as failed")
    void aCancelIsNeutral() {
        CompletableFuture<Completion> future = call(two);
        ScriptedAttempt attempt = a.takeAttempt();

        future.cancel(true);
        world.settle();

        assertThat(attempt.isCancelAsked()).isTrue();
        assertThat(listener.attempts).singleElement().satisfies(summary -> {
            assertThat(summary.outcome()).isEqualTo(AttemptSummary.Outcome.CANCELLED);
            assertThat(summary.failure()).isEmpty();
        });
        assertThat(two.statistics().endpoint("a").orElseThrow().failed()).isZero();
        assertThat(two.statistics().endpoint("a").orElseThrow().cancelled()).isOne();
        assertThat(two.statistics().failed()).isZero();
    }

    @Test
    @DisplayName("A7: the deadline of a call says nothing about its endpoint")
    void aDeadlineIsNeutralForTheEndpoint() {
        BalancedLlm hasty =
                two.with(CallOptions.builder().timeout(Duration.ofSeconds(3)).build());
        CompletableFuture<Completion> future = call(hasty);
        ScriptedAttempt attempt = a.takeAttempt();
        assertThat(attempt.attempt().remaining()).contains(Duration.ofSeconds(3));
        attempt.chunk("half an");

        world.pass(Duration.ofSeconds(3));

        LlmException failure = failureOf(future);
        assertThat(failure.reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
        assertThat(failure.partialText()).isEqualTo("half an");
        assertThat(two.statistics().endpoint("a").orElseThrow().failed()).isZero();
    }

    @Test
    @DisplayName("B9: what was read is never read twice: no retry after delivery")
    void deliveredOnce() {
        CompletionStream stream = two.stream(REQUEST);
        ScriptedAttempt attempt = a.takeAttempt().chunk("Once").chunk(" upon");
        assertThat(stream.iterator().next().text()).isEqualTo("Once");

        attempt.fail(Reason.TRUNCATED);
        world.settle();

        assertThat(b.started()).isZero();
        assertThat(stream.iterator().next().text()).isEqualTo(" upon");
        assertThatThrownBy(stream::completion)
                .isInstanceOfSatisfying(
                        LlmException.class, e -> assertThat(e.partialText()).isEqualTo("Once upon"));
    }

    @Test
    void whatWasNotReadYetIsTakenBackAndRepeatedElsewhere() {
        CompletionStream stream = two.stream(REQUEST);
        a.takeAttempt()
                .chunk(CompletionChunk.Delta.builder(0).role(Role.ASSISTANT).build())
                .chunk("lost")
                .fail(Reason.TRUNCATED);
        world.settle();
        b.takeAttempt().chunk("kept").complete();
        world.settle();

        assertThat(stream.completion().text()).isEqualTo("kept");
        assertThat(listener.stories()).containsExactly("SAFEAFEX");
    }

    @Test
    void theTimeToFirstTokenIsThatOfTheAnswerNotOfAnAttemptThatWasTakenBack() {
        CompletableFuture<Completion> future = call(two);
        world.pass(Duration.ofSeconds(1));
        a.takeAttempt().chunk("lost").fail(Reason.TRUNCATED);
        world.settle();

        b.takeAttempt().fail(Reason.INVALID_REQUEST);
        world.settle();

        failureOf(future);
        assertThat(two.statistics().timeToFirstToken().total().count()).isZero();
        assertThat(listener.ends)
                .singleElement()
                .satisfies(end -> assertThat(end.decision().timeToFirstToken()).isEmpty());
    }

    @Test
    void theFirstTokenTimerCountsToOutputAndNoSignOfLifeStopsIt() {
        CompletableFuture<Completion> future = call(two);
        ScriptedAttempt attempt = a.takeAttempt()
                .accept()
                .alive()
                .chunk(CompletionChunk.Delta.builder(0).role(Role.ASSISTANT).build());
        world.pass(BalancedLlm.DEFAULT_FIRST_TOKEN_TIMEOUT.minusNanos(1));
        attempt.alive();
        assertThat(b.started()).isZero();

        world.pass(Duration.ofNanos(1));

        b.takeAttempt().chunk("quick").complete();
        world.settle();
        assertThat(future.join().text()).isEqualTo("quick");
        assertThat(attempt.isCancelAsked()).isTrue();
    }

    @Test
    void theIdleTimerFollowsTheStreamAndStopsWhileTheReaderPauses() {
        CompletionStream stream = two.stream(REQUEST);
        ScriptedAttempt attempt = a.takeAttempt();
        while (attempt.demand() > 0) {
            attempt.chunk("x");
        }
        world.pass(
                BalancedLlm.DEFAULT_IDLE_TIMEOUT.plusSeconds(1)); // the buffer is full: silence is the reader's doing
        assertThat(attempt.isEnded()).isFalse();

        for (int i = 0; i < 32; i++) {
            assertThat(stream.iterator().next().text()).isEqualTo("x");
        }
        assertThat(attempt.demand()).isEqualTo(32);
        world.pass(BalancedLlm.DEFAULT_IDLE_TIMEOUT.minusSeconds(1));
        attempt.alive();
        world.pass(BalancedLlm.DEFAULT_IDLE_TIMEOUT.minusSeconds(1));
        assertThat(attempt.isEnded()).isFalse();
        world.pass(Duration.ofSeconds(1));

        assertThat(attempt.isCancelAsked()).isTrue();
        assertThatThrownBy(stream::completion).hasMessageContaining("silent for");
    }

    @Test
    void aReaderThatNeverComesBackEndsItsCall() {
        CompletionStream stream = two.stream(REQUEST);
        ScriptedAttempt attempt = a.takeAttempt();
        while (attempt.demand() > 0) {
            attempt.chunk("x");
        }

        world.pass(BalancedLlm.DEFAULT_READER_STALL_TIMEOUT);

        assertThat(attempt.isCancelAsked()).isTrue();
        assertThat(two.statistics().failures()).containsEntry(Reason.READER_STALLED, 1L);
        assertThatThrownBy(stream::completion).hasMessageContaining("was not read for");
    }

    @Test
    void switchingThePolicyMovesTheNextPickAndTellsEachPolicyOfItsOwnAttempts() {
        CompletableFuture<Completion> before = call(two);
        ObservingPolicy last = new ObservingPolicy((call, candidates) -> candidates.get(candidates.size() - 1));

        two.switchRouting(last);
        CompletableFuture<Completion> after = call(two);

        a.takeAttempt().complete();
        b.takeAttempt().complete();
        world.settle();
        assertThat(List.of(before, after)).allSatisfy(call -> assertThat(call).isCompleted());
        last.assertGrammar();
        assertThat(policy.attempts()).isOne();
        assertThat(last.attempts()).isOne();
        two.switchRouting(RoutingPolicies.leastConnections());
    }
}
