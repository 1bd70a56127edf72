/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.event.AttemptInfo;
import io.balancedllm.event.AttemptListener;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.HeaderSink;
import io.balancedllm.event.LlmListener;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class PoolChangeTest {
    private final OneThread world = new OneThread();
    private final ScriptedBackend backend = new ScriptedBackend();
    private final ClosingBackend closing = new ClosingBackend(backend);
    private final BalancedLlm llm = world.balancer().endpoint("a", closing).build();

    private int inFlight(String id) {
        return llm.pool().endpoint(id).map(EndpointStatus::inFlight).orElseThrow();
    }

    private CompletableFuture<Completion> call() {
        CompletableFuture<Completion> future = llm.completeAsync(REQUEST);
        world.settle();
        return future;
    }

    @Test
    @DisplayName("A3: an endpoint that comes back under its old name starts at zero, and old leases leave it alone")
    void aReplacedEndpointKeepsCountsApart() {
        CompletableFuture<Completion> old = call();
        ScriptedAttempt attempt = backend.takeAttempt();
        ScriptedBackend second = new ScriptedBackend();

        llm.pool().replace(Endpoint.of("a", second));
        assertThat(inFlight("a")).isZero();
        CompletableFuture<Completion> young = call();
        assertThat(inFlight("a")).isOne();

        attempt.chunk("done").complete();
        world.settle();
        assertThat(old).isCompleted();
        assertThat(inFlight("a")).isOne();
        second.takeAttempt().complete();
        world.settle();
        assertThat(young).isCompleted();
        assertThat(inFlight("a")).isZero();
        assertThat(closing.closes()).isOne();
    }

    @Test
    void theBackendOfAnEndpointThatLeftIsClosedOnceAfterItsLastAttempt() {
        CompletableFuture<Completion> call = call();

        llm.pool().remove("a");
        world.settle();
        assertThat(closing.closes()).isZero();

        backend.takeAttempt().complete();
        world.settle();
        assertThat(call).isCompleted();
        assertThat(closing.closes()).isOne();
        llm.close();
        world.settle();
        assertThat(closing.closes()).isOne();
    }

    @Test
    void closingThePoolUnderLoadClosesEachBackendOnce() {
        CompletableFuture<Completion> call = call();

        llm.pool().close();
        world.settle();

        assertThat(failureOf(call).reason()).isEqualTo(Reason.UNAVAILABLE);
        assertThat(closing.closes()).isOne();
    }

    @Test
    void whileAnEndpointIsReplacedNoCallFindsThePoolEmpty() {
        List<CompletableFuture<Completion>> calls = new ArrayList<>();
        BalancedLlm direct = world.balancer()
                .executor(Runnable::run)
                .endpoint("a", ScriptedBackend.answering("old"))
                .build();
        direct.pool().watch(event -> calls.add(direct.completeAsync(REQUEST)));

        direct.pool().replace(Endpoint.of("a", ScriptedBackend.answering("new")));
        world.settle();

        assertThat(calls).hasSize(2).allSatisfy(call -> assertThat(call).isCompleted());
    }

    @Test
    void aReplacementWhoseBackendThrowsLeavesTheOldOneInPlace() {
        ClosingBackend broken = new ClosingBackend(new ScriptedBackend()) {
            @Override
            public BackendTraits traits() {
                throw new IllegalStateException("not loaded");
            }
        };

        assertThatThrownBy(() -> llm.pool().replace(Endpoint.of("a", broken))).hasMessage("not loaded");

        CompletableFuture<Completion> call = call();
        backend.takeAttempt().complete();
        world.settle();
        assertThat(call).isCompleted();
        assertThat(llm.pool().endpoint("a").map(EndpointStatus::state)).contains(EndpointState.ACTIVE);
    }

    @Test
    void aDrainThatEndsInTimeLeavesNoTimerBehind() {
        CompletableFuture<Completion> call = call();
        CompletableFuture<Boolean> drained = llm.pool().drain("a", Duration.ofHours(1));
        assertThat(world.timers.pending()).contains("drain");

        backend.takeAttempt().complete();
        world.settle();

        assertThat(call).isCompleted();
        assertThat(drained).isCompletedWithValue(true);
        assertThat(world.timers.pending()).isEmpty();
    }

    @Test
    void aResumedDrainAndAReplacedLimitLeaveNoTimerBehind() {
        CompletableFuture<Completion> call = call();
        CompletableFuture<Boolean> drained = llm.pool().drain("a", Duration.ofHours(1));
        CompletableFuture<Boolean> again = llm.pool().drain("a", Duration.ofMinutes(1));
        assertThat(world.timers.pending()).containsOnlyOnce("drain");

        llm.pool().resume("a");
        world.settle();

        assertThat(drained).isCompletedWithValue(false);
        assertThat(again).isCompletedWithValue(false);
        assertThat(world.timers.pending()).doesNotContain("drain");
        backend.takeAttempt().complete();
        world.settle();
        assertThat(call).isCompleted();
    }

    @Test
    void aDrainThatRunsOutOfTimeMovesWhatDeliveredNothingAndFailsWhatDid() {
        ScriptedBackend other = new ScriptedBackend();
        CompletableFuture<Completion> collected = call();
        CompletionStream stream = llm.stream(REQUEST);
        ScriptedAttempt first = backend.takeAttempt().chunk("lost");
        backend.takeAttempt().chunk("read");
        assertThat(stream.iterator().next().text()).isEqualTo("read");
        llm.pool().add(Endpoint.of("b", other));

        CompletableFuture<Boolean> drained = llm.pool().drain("a", Duration.ofSeconds(5));
        world.pass(Duration.ofSeconds(5));

        assertThat(drained).isCompletedWithValue(false);
        assertThat(first.isCancelAsked()).isTrue();
        assertThatThrownBy(stream::completion)
                .isInstanceOfSatisfying(
                        LlmException.class,
                        failure -> assertThat(failure.partialText()).isEqualTo("read"))
                .hasMessageContaining("drained");
        other.takeAttempt().chunk("kept").complete();
        world.settle();
        assertThat(collected.join().text()).isEqualTo("kept");
    }

    @Test
    void aDrainEvictsAlsoTheAttemptThatWasOnlyJustStarting() {
        ScriptedBackend other = new ScriptedBackend();
        List<CompletableFuture<Boolean>> drains = new ArrayList<>();
        BalancedLlm slow = world.balancer()
                .endpoint("a", backend)
                .endpoint("b", other)
                .routing((call, candidates) -> candidates.get(0))
                .listener(new LlmListener() {
                    @Override
                    public CallListener callStarted(CallInfo call) {
                        return new CallListener() {
                            @Override
                            public @Nullable AttemptListener attemptStarted(AttemptInfo attempt, HeaderSink headers) {
                                if (drains.isEmpty()) { // between the lease and the start
                                    drains.add(pool().drain("a", Duration.ofSeconds(1)));
                                    world.timers.advance(Duration.ofSeconds(1));
                                }
                                return null;
                            }
                        };
                    }

                    private EndpointPool pool() {
                        return self().pool();
                    }
                })
                .build();
        self = slow;

        CompletableFuture<Completion> call = slow.completeAsync(REQUEST);
        world.settle();

        assertThat(drains.get(0)).isCompletedWithValue(false);
        assertThat(backend.started()).as("started in vain").isZero();
        other.takeAttempt().complete();
        world.settle();
        assertThat(call).isCompleted();
    }

    private @Nullable BalancedLlm self;

    private BalancedLlm self() {
        BalancedLlm present = self;
        if (present == null) {
            throw new IllegalStateException("not built yet");
        }
        return present;
    }

    @Test
    void drainsCompleteOnTheCallbackPoolBecauseWhatHangsOnThemMayBlock() {
        List<String> ran = new ArrayList<>();
        CompletableFuture<Completion> call = call();
        var unused = llm.pool().drain("a").thenRun(() -> ran.add("drained"));
        backend.takeAttempt().complete();

        world.loop.runAll();
        assertThat(ran).isEmpty();
        world.callbacks.runAll();
        assertThat(ran).containsExactly("drained");
        assertThat(call).isCompleted();
    }

    @Test
    void aLimitBeyondWhatCanBeCountedIsRefusedBeforeAnythingIsDrained() {
        assertThatThrownBy(() -> llm.pool().drain("a", Duration.ofDays(1_000_000)))
                .isInstanceOf(IllegalArgumentException.class);

        assertThat(llm.pool().endpoint("a").map(EndpointStatus::state)).contains(EndpointState.ACTIVE);
    }

    @Test
    void eventsTellTheLifeOfAnEndpointInOrder() {
        List<PoolEvent.Kind> kinds = new ArrayList<>();
        llm.pool().watch(event -> kinds.add(event.kind()));

        llm.pool().updateWeight("a", 2);
        CompletableFuture<Boolean> drained = llm.pool().drain("a");
        assertThat(drained).isNotDone(); // told on the callback pool
        llm.pool().resume("a");
        llm.pool().replace(Endpoint.of("a", new ScriptedBackend()));
        llm.pool().remove("a");
        world.settle();

        assertThat(kinds)
                .containsExactly(
                        PoolEvent.Kind.UPDATED,
                        PoolEvent.Kind.DRAINING,
                        PoolEvent.Kind.DRAINED,
                        PoolEvent.Kind.RESUMED,
                        PoolEvent.Kind.REMOVED,
                        PoolEvent.Kind.ADDED,
                        PoolEvent.Kind.REMOVED);
    }

    @Test
    @DisplayName("D12: a policy walks what is left of a changing pool, and every endpoint left gets its turn")
    void roundRobinOverAChangingPool() {
        BalancedLlm turns = world.balancer()
                .endpoint("a", ScriptedBackend.answering("a"))
                .endpoint("b", ScriptedBackend.answering("b"))
                .endpoint("c", ScriptedBackend.answering("c"))
                .routing(RoutingPolicies.roundRobin())
                .build();
        List<String> served = new ArrayList<>();
        turns.complete(REQUEST);
        CompletableFuture<Boolean> drained = turns.pool().drain("b");
        assertThat(drained).isNotDone();

        for (int i = 0; i < 6; i++) {
            served.add(turns.complete(REQUEST).text());
        }

        assertThat(served).containsExactly("c", "a", "c", "a", "c", "a");
    }
}
