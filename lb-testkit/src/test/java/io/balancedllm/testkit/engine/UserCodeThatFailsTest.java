/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.event.AttemptInfo;
import io.balancedllm.event.AttemptListener;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.HeaderSink;
import io.balancedllm.event.LlmListener;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Backends, policies, listeners, subscribers and executors that break their word end no more than their own call. */
@Timeout(20)
class UserCodeThatFailsTest {
    private final OneThread world = new OneThread();
    private final RecordingListener listener = new RecordingListener();
    private final ScriptedBackend good = ScriptedBackend.answering("upon", " a time");

    /** Whatever happened, nothing may be left of it. */
    @AfterEach
    void nothingIsLeft() {
        world.settle();
        listener.assertGrammar();
        assertThat(world.timers.pending()).isEmpty();
    }

    private void assertAtRest(BalancedLlm llm) {
        world.settle();
        assertThat(llm.pool().endpoints()).allMatch(endpoint -> endpoint.inFlight() == 0);
        assertThat(llm.statistics().running()).isZero();
        assertThat(llm.waiting()).isZero();
        llm.close();
    }

    @Test
    @DisplayName("A1: an Error out of a backend's start releases the lease and fails the call, typed")
    void anErrorOfTheBackendIsAFailureOfTheCall() {
        BalancedLlm llm = world.balancer()
                .endpoint("broken", starting((attempt, sink) -> {
                    throw new NoClassDefFoundError("native library");
                }))
                .listener(listener)
                .build();

        LlmException failure = failureOf(settled(llm.completeAsync(REQUEST)));

        assertThat(failure.reason()).isEqualTo(Reason.INTERNAL_ERROR);
        assertThat(failure).hasMessageContaining("endpoint broken").hasRootCauseInstanceOf(NoClassDefFoundError.class);
        assertAtRest(llm);
    }

    @Test
    void aBackendThatReturnsNoGenerationFailsItsCallWithABlameOnTheBackend() {
        BalancedLlm llm = world.balancer()
                .endpoint("broken", starting((attempt, sink) -> nothing()))
                .listener(listener)
                .build();

        assertThat(failureOf(settled(llm.completeAsync(REQUEST))))
                .hasMessageContaining("the backend of endpoint broken threw");
        assertAtRest(llm);
    }

    @Test
    @DisplayName("A1: a backend that throws at a cancel keeps no attempt from being counted and told to its end")
    void aCancelThatThrowsHarmsNobody() {
        BalancedLlm llm = world.balancer()
                .endpoint("broken", starting((attempt, sink) -> new Generation() {
                    @Override
                    public void request(int chunks) {}

                    @Override
                    public void cancel() {
                        throw new AssertionError("no cancel here");
                    }
                }))
                .listener(listener)
                .build();
        CompletableFuture<Completion> future = llm.completeAsync(REQUEST);

        future.cancel(true);

        world.settle();
        assertThat(listener.stories()).containsExactly("SAEX");
        assertThat(llm.statistics().cancelled()).isOne();
        assertThat(llm.statistics().endpoints().get(0).running()).isZero();
        assertAtRest(llm);
    }

    @Test
    @DisplayName("A8: a backend that sends more than was asked for is cut off, so no buffer grows without bound")
    void moreThanWasAskedForIsADefectOfTheBackend() {
        ScriptedBackend flood = new ScriptedBackend();
        BalancedLlm llm =
                world.balancer().endpoint("flood", flood).listener(listener).build();
        CompletionStream stream = llm.stream(REQUEST);
        ScriptedAttempt attempt = flood.takeAttempt();
        long allowed = attempt.demand();

        for (int i = 0; i < 1_000; i++) {
            attempt.sink().chunk(CompletionChunk.text(0, "x"));
        }

        List<CompletionChunk> read = new ArrayList<>();
        LlmException failure = (LlmException) catchThrowable(() -> stream.forEach(read::add));
        assertThat(failure).hasMessageContaining("endpoint flood sent more than was asked for");
        assertThat(read).hasSize((int) allowed);
        assertAtRest(llm);
    }

    @Test
    void embeddingsThatAreMissingFailTheCallInsteadOfHangingIt() {
        ScriptedBackend backend = new ScriptedBackend();
        BalancedLlm llm =
                world.balancer().endpoint("odd", backend).listener(listener).build();
        CompletableFuture<Embeddings> vectors = new CompletableFuture<>();
        backend.onEmbed(attempt -> vectors);
        CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        Thread caller = new Thread(() -> outcome.complete(catchThrowable(() -> llm.embed(EmbeddingRequest.of("a")))));
        caller.start();

        vectors.complete(nothing());

        assertThat(outcome.join())
                .isInstanceOfSatisfying(
                        LlmException.class,
                        failure -> assertThat(failure.reason()).isEqualTo(Reason.INTERNAL_ERROR));
        assertAtRest(llm);
    }

    @Test
    @DisplayName("A1: an Error out of a policy, on the caller's thread or on the loop, fails the call, typed")
    void anErrorOfThePolicyIsAFailureOfTheCall() {
        BalancedLlm llm = world.balancer()
                .endpoint("good", good)
                .routing((call, candidates) -> {
                    throw new StackOverflowError("a policy without end");
                })
                .listener(listener)
                .build();

        assertThat(failureOf(settled(llm.completeAsync(REQUEST))))
                .hasMessageContaining("the routing policy")
                .hasRootCauseInstanceOf(StackOverflowError.class);
        assertThat(good.started()).isZero();
        assertAtRest(llm);
    }

    @Test
    void costsOfAPolicyThatAreNoNumbersAreRecordedAsTheyAre() {
        BalancedLlm llm = world.balancer()
                .endpoint("good", good)
                .routing((call, candidates) -> {
                    candidates.forEach(candidate -> call.trace().term(candidate, "price", Double.NaN));
                    return Collections.min(candidates, Comparator.comparingDouble(candidate -> Double.NaN));
                })
                .listener(listener)
                .build();
        CompletableFuture<Completion> answer =
                llm.with(CallOptions.builder().explain(true).build()).completeAsync(REQUEST);
        world.settle();

        assertThat(answer.join().decision().orElseThrow().candidates().get(0).terms())
                .containsEntry("price", Double.NaN);
        assertAtRest(llm);
    }

    @Test
    void anErrorOfThePolicyInTheWaitingLineStopsNobodyElse() {
        ScriptedBackend backend = new ScriptedBackend();
        List<String> fuse = new ArrayList<>();
        BalancedLlm llm = world.balancer()
                .endpoint(Endpoint.builder("one", backend).maxConcurrency(1).build())
                .routing((call, candidates) -> {
                    if (fuse.remove("burn")) {
                        throw new AssertionError("once");
                    }
                    return candidates.get(0);
                })
                .listener(listener)
                .build();
        CompletableFuture<Completion> first = llm.completeAsync(REQUEST);
        CompletableFuture<Completion> second = llm.completeAsync(REQUEST);
        CompletableFuture<Completion> third = llm.completeAsync(REQUEST);
        world.settle();
        fuse.add("burn");

        backend.takeAttempt().complete();
        world.settle();

        assertThat(first).isCompleted();
        assertThat(failureOf(second)).hasMessageContaining("threw");
        backend.takeAttempt().complete();
        world.settle();
        assertThat(third).isCompleted();
        assertAtRest(llm);
    }

    @Test
    @DisplayName("A1: a listener that throws an Error, or sets no header value, harms no call")
    void aListenerThatFailsHarmsNoCall() {
        BalancedLlm llm = world.balancer()
                .endpoint("good", good)
                .listener(new LlmListener() {
                    @Override
                    public CallListener callStarted(CallInfo call) {
                        return new CallListener() {
                            @Override
                            public @Nullable AttemptListener attemptStarted(AttemptInfo attempt, HeaderSink headers) {
                                headers.set("traceparent", nothing());
                                return null;
                            }

                            @Override
                            public void ended(CallEnd end) {
                                throw new AssertionError("no end");
                            }
                        };
                    }
                })
                .listener(new LlmListener() {
                    @Override
                    public CallListener callStarted(CallInfo call) {
                        throw new AssertionError("no start");
                    }
                })
                .listener(listener)
                .build();

        assertThat(settled(llm.completeAsync(REQUEST)).join().text()).isEqualTo("upon a time");
        assertThat(listener.stories()).containsExactly("SACFEX");
        assertAtRest(llm);
    }

    @Test
    void aSubscriberThatThrowsIsTakenForCancelled() {
        ScriptedBackend backend = new ScriptedBackend();
        BalancedLlm llm =
                world.balancer().endpoint("good", backend).listener(listener).build();
        List<String> seen = new ArrayList<>();
        llm.publish(REQUEST).subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscription.request(10);
            }

            @Override
            public void onNext(CompletionChunk chunk) {
                seen.add(chunk.text());
                throw new IllegalStateException("not that one");
            }

            @Override
            public void onError(Throwable failure) {
                seen.add("error");
            }

            @Override
            public void onComplete() {
                seen.add("complete");
            }
        });

        ScriptedAttempt attempt = backend.takeAttempt().accept().chunk("a").chunk("b");
        world.settle();

        assertThat(seen).containsExactly("a");
        assertThat(attempt.isCancelAsked()).isTrue();
        assertThat(llm.statistics().cancelled()).isOne();
        assertAtRest(llm);
    }

    @Test
    void aSubscriptionCancelledAtOnceNeverBecomesACall() {
        BalancedLlm llm =
                world.balancer().endpoint("good", good).listener(listener).build();

        llm.publish(REQUEST).subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscription.cancel();
            }

            @Override
            public void onNext(CompletionChunk chunk) {}

            @Override
            public void onError(Throwable failure) {}

            @Override
            public void onComplete() {}
        });
        world.settle();

        assertThat(llm.statistics().calls()).isZero();
        assertThat(llm.statistics().running()).isZero();
        assertThat(llm.statistics().cancelled()).isZero();
        assertAtRest(llm);
    }

    @Test
    void anEndlessRetryAfterEndsTheCallAllTheSame() {
        LlmException busy = LlmException.builder(Reason.RATE_LIMITED, "busy")
                .retryAfter(Duration.ofSeconds(Long.MAX_VALUE))
                .build();
        BalancedLlm llm = world.balancer()
                .endpoint("busy", new ScriptedBackend().onStart(attempt -> attempt.fail(busy)))
                .listener(listener)
                .build();

        assertThat(failureOf(settled(llm.completeAsync(REQUEST))).reason()).isEqualTo(Reason.RATE_LIMITED);
        assertAtRest(llm);
    }

    @Test
    void executorsThatRefuseHoldNothingUp() {
        ScriptedBackend backend = new ScriptedBackend();
        BalancedLlm llm = world.balancer()
                .executor(task -> {
                    throw new RejectedExecutionException("full");
                })
                .callbackExecutor(task -> {
                    throw new RejectedExecutionException("full");
                })
                .endpoint(Endpoint.builder("a", backend).maxConcurrency(1).build())
                .endpoint(Endpoint.builder("b", good).maxConcurrency(1).build())
                .routing((call, candidates) -> candidates.get(0))
                .listener(listener)
                .build();
        CompletableFuture<Completion> first = llm.completeAsync(REQUEST);
        assertThat(llm.completeAsync(REQUEST)).isCompleted();
        ScriptedAttempt attempt = backend.takeAttempt();

        attempt.fail(Reason.SERVER_ERROR);

        assertThat(first).isCompleted();
        assertAtRest(llm);
    }

    @Test
    @DisplayName("A6: a cancelled embedding request reaches the backend's own future")
    void aCancelOfEmbeddingsReachesTheBackend() throws InterruptedException {
        CompletableFuture<Embeddings> vectors = new CompletableFuture<>();
        ScriptedBackend backend = new ScriptedBackend().onEmbed(attempt -> vectors);
        BalancedLlm llm =
                world.balancer().endpoint("e", backend).listener(listener).build();
        Thread caller = new Thread(
                () -> assertThatCode(() -> llm.embed(EmbeddingRequest.of("a"))).isInstanceOf(LlmException.class));
        caller.start();
        world.timers.awaitTimer("first token");

        caller.interrupt();
        caller.join();

        assertThat(vectors).isCancelled();
        assertAtRest(llm);
    }

    private <T> CompletableFuture<T> settled(CompletableFuture<T> future) {
        world.settle();
        return future;
    }

    /** What code without null checks hands over. */
    @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
    private static <T> T nothing() {
        return (T) null;
    }

    private static LlmBackend starting(BiFunction<Attempt<CompletionRequest>, GenerationSink, Generation> start) {
        return new LlmBackend() {
            @Override
            public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
                return start.apply(attempt, sink);
            }

            @Override
            public CompletionStage<ProbeResult> probe(Duration timeout) {
                return CompletableFuture.completedFuture(ProbeResult.READY);
            }

            @Override
            public void close() {}
        };
    }
}
