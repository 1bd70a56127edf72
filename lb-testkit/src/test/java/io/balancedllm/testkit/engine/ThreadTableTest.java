/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.event.AttemptInfo;
import io.balancedllm.event.AttemptListener;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.HeaderSink;
import io.balancedllm.event.LlmListener;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.routing.AttemptEvent;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.testkit.EchoBackend;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Which thread runs whose code. */
@Timeout(30)
class ThreadTableTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final ExecutorService engine = Executors.newSingleThreadExecutor(task -> new Thread(task, "engine"));
    private final ScriptedBackend backend = new ScriptedBackend();
    /** What ran, and on the thread of which name. */
    private final Queue<String> ran = new ConcurrentLinkedQueue<>();

    @AfterEach
    void end() {
        engine.shutdownNow();
    }

    private void note(String what) {
        ran.add(what + " on " + Thread.currentThread().getName().replaceAll("[-\\d]*$", ""));
    }

    private void onEngine(Runnable step) {
        CompletableFuture.runAsync(step, engine).join();
    }

    private final class NotingPolicy implements RoutingPolicy {
        @Override
        public EndpointView pick(RoutingContext call, Candidates candidates) {
            note("pick " + call.attempt());
            return candidates.get(0);
        }

        @Override
        public void observe(AttemptEvent event) {
            note(event.getClass().getSimpleName());
        }
    }

    private final class NotingListener implements LlmListener, CallListener, AttemptListener {
        @Override
        public CallListener callStarted(CallInfo call) {
            note("call");
            return this;
        }

        @Override
        public void waiting() {
            note("waiting");
        }

        @Override
        public AttemptListener attemptStarted(AttemptInfo attempt, HeaderSink headers) {
            note("attempt " + attempt.number());
            return this;
        }

        @Override
        public void firstToken() {
            note("first token");
        }

        @Override
        public void ended(AttemptSummary summary) {
            note("attempt ended");
        }

        @Override
        public void ended(CallEnd end) {
            note("call ended");
        }

        @Override
        public void poolChanged(PoolEvent event) {
            note("pool");
        }
    }

    @Test
    void usersCodeRunsOnTheCallersThreadTheLoopAndTheCallbackPoolOnly() {
        BalancedLlm llm = BalancedLlm.builder()
                .endpoint(Endpoint.builder("a", backend).maxConcurrency(1).build())
                .routing(new NotingPolicy())
                .listener(new NotingListener())
                .build();
        Thread.currentThread().setName("caller");
        CompletableFuture<Void> first = llm.completeAsync(REQUEST).thenAccept(answer -> note("future"));
        CompletableFuture<Void> second = llm.completeAsync(REQUEST).thenAccept(answer -> note("future"));
        CompletableFuture<Void> subscriber = new CompletableFuture<>();
        llm.publish(REQUEST).subscribe(new NotingSubscriber(subscriber));

        onEngine(() -> backend.takeAttempt(PATIENCE).chunk("lost").fail(Reason.TRUNCATED));
        for (int i = 0; i < 3; i++) {
            ScriptedAttempt attempt = backend.takeAttempt(PATIENCE);
            onEngine(() -> attempt.chunk("x").complete());
        }
        CompletableFuture.allOf(first, second, subscriber).join();
        onEngine(() -> llm.pool().updateWeight("a", 2));
        llm.close();

        assertThat(ran).noneMatch(note -> note.endsWith("engine") || note.contains("timer"));
        assertThat(ran)
                .contains(
                        "call on caller",
                        "pick 1 on caller",
                        "attempt 1 on caller",
                        "pick 1 on balancedllm-loop",
                        "attempt 1 on balancedllm-loop",
                        "pick 2 on balancedllm-loop",
                        "waiting on balancedllm-loop",
                        "first token on balancedllm-loop",
                        "attempt ended on balancedllm-loop",
                        "call ended on balancedllm-loop",
                        "Dispatched on balancedllm-loop",
                        "FirstToken on balancedllm-loop",
                        "Ended on balancedllm-loop",
                        "pool on balancedllm-loop",
                        "future on balancedllm-callback",
                        "chunk on balancedllm-callback",
                        "complete on balancedllm-callback");
    }

    @Test
    void whatATimerSetsOffRunsElsewhere() {
        BalancedLlm llm = BalancedLlm.builder()
                .endpoint("silent", backend)
                .endpoint("quick", ScriptedBackend.answering("quick"))
                .firstTokenTimeout(Duration.ofMillis(1))
                .routing(new NotingPolicy())
                .listener(new NotingListener())
                .build();

        assertThat(llm.complete(REQUEST).text()).isEqualTo("quick");
        llm.close();

        assertThat(ran).contains("pick 2 on balancedllm-loop").noneMatch(note -> note.contains("timer"));
    }

    @Test
    void aCallbackMayMakeTheNextCallOverABackendWithOneThread() {
        BalancedLlm llm =
                BalancedLlm.builder().endpoint("one", new EchoBackend(engine)).build();

        CompletableFuture<String> answer = llm.completeAsync(REQUEST)
                .thenApply(first -> llm.complete(REQUEST))
                .thenApply(second -> llm.complete(REQUEST))
                .thenApply(Completion::text);

        assertThat(answer.join()).isEqualTo("Once");
        llm.close();
    }

    @Test
    void listenersThatBlockTheWholeLoopHoldUpNoOtherCallsChunks() throws InterruptedException {
        CountDownLatch blocked = new CountDownLatch(2);
        CountDownLatch release = new CountDownLatch(1);
        BalancedLlm llm = BalancedLlm.builder()
                .endpoint("echo", new EchoBackend(engine))
                .listener(new LlmListener() {
                    @Override
                    public CallListener callStarted(CallInfo call) {
                        return new CallListener() {
                            @Override
                            public void ended(CallEnd end) {
                                blocked.countDown();
                                awaitQuietly(release);
                            }
                        };
                    }
                })
                .build();
        llm.complete(REQUEST);
        llm.complete(REQUEST);
        if (Runtime.getRuntime().availableProcessors() > 1) {
            blocked.await();
        }

        assertThat(llm.stream(REQUEST).completion().text()).isEqualTo("Once");
        assertThat(llm.completeAsync(REQUEST).join().text()).isEqualTo("Once");
        release.countDown();
        llm.close();
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private final class NotingSubscriber implements Flow.Subscriber<CompletionChunk> {
        private final CompletableFuture<Void> end;

        NotingSubscriber(CompletableFuture<Void> end) {
            this.end = end;
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            subscription.request(Long.MAX_VALUE);
        }

        @Override
        public void onNext(CompletionChunk chunk) {
            note("chunk");
        }

        @Override
        public void onError(Throwable failure) {
            end.completeExceptionally(failure);
        }

        @Override
        public void onComplete() {
            note("complete");
            end.complete(null);
        }
    }
}
