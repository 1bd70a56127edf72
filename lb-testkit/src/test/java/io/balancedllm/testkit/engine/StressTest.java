/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.metrics.LlmStatistics;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.EchoBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many threads at once, over backends in memory. What comes when is chance; what holds in the end is not. */
@Timeout(120)
class StressTest {
    private static final int CALLERS = 4;
    private static final int CALLS_EACH = 1_000;
    private static final CompletionRequest REQUEST = CompletionRequest.of("Once upon a time there was");

    private Set<Thread> before = Set.of();
    private final ExecutorService engines = Executors.newFixedThreadPool(3);
    private final ExecutorService callers = Executors.newFixedThreadPool(CALLERS);
    private final Queue<ClosingBackend> backends = new ConcurrentLinkedQueue<>();
    private final RecordingListener listener = new RecordingListener();
    private final ObservingPolicy policy = new ObservingPolicy(RoutingPolicies.leastConnections());

    @BeforeEach
    void look() {
        before = CloseTest.threads();
    }

    @AfterEach
    void end() {
        callers.shutdownNow();
        engines.shutdownNow();
    }

    /** An echo; with a share of attempts, out of a hundred, that fail at once. */
    private Endpoint endpoint(String id, int failing) {
        AtomicInteger count = new AtomicInteger();
        ClosingBackend backend = new ClosingBackend(new EchoBackend(engines)) {
            @Override
            public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
                if (count.incrementAndGet() % 100 < failing) {
                    sink.failed(new LlmException(Reason.SERVER_ERROR, "now and then"));
                    return Generation.ENDED;
                }
                return super.start(attempt, sink);
            }
        };
        backends.add(backend);
        return Endpoint.builder(id, backend).maxConcurrency(2).build();
    }

    @Test
    @DisplayName("A1, A9: whatever many threads do at once, each call ends once and close leaves nothing")
    void nothingIsLostUnderLoad() throws Exception {
        BalancedLlm llm = BalancedLlm.builder()
                .routing(policy)
                .listener(listener)
                .closeGrace(Duration.ofMinutes(1))
                .retry(RetryPolicy.builder()
                        .budgetPerCall(2)
                        .backoff(Duration.ofMillis(1), Duration.ofMillis(5))
                        .build())
                .build();
        llm.pool().add(endpoint("steady", 0));
        llm.pool().add(endpoint("changing", 0));
        llm.pool().add(endpoint("failing", 30));
        AtomicBoolean done = new AtomicBoolean();
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < CALLERS; i++) {
            int seed = i;
            running.add(callers.submit(() -> call(llm, new Random(seed))));
        }
        Thread changes = new Thread(() -> change(llm, done));
        changes.start();

        for (Future<?> caller : running) {
            caller.get();
        }
        done.set(true);
        changes.join();
        llm.close();

        listener.assertGrammar();
        policy.assertGrammar();
        LlmStatistics statistics = llm.statistics();
        assertThat(statistics.running()).isZero();
        assertThat(statistics.completed()).isPositive();
        assertThat(listener.ends).hasSize((int) statistics.calls());
        assertThat(listener.attempts).hasSize((int) statistics.attempts());
        assertThat(policy.attempts()).isEqualTo((int) statistics.attempts());
        assertThat(llm.waiting()).isZero();
        CloseTest.assertGone(before);
        assertThat(backends).allMatch(backend -> backend.closes() == 1);
    }

    private void call(BalancedLlm llm, Random random) {
        List<CompletableFuture<Completion>> futures = new ArrayList<>();
        for (int i = 0; i < CALLS_EACH; i++) {
            BalancedLlm view = random.nextInt(4) > 0
                    ? llm
                    : llm.with(CallOptions.builder()
                            .timeout(Duration.ofMillis(1 + random.nextInt(20)))
                            .build());
            switch (random.nextInt(4)) {
                case 0 -> complete(view);
                case 1 -> {
                    CompletableFuture<Completion> future = view.completeAsync(REQUEST);
                    futures.add(future);
                    if (random.nextInt(3) == 0) {
                        future.cancel(true);
                    }
                }
                case 2 -> read(view, random.nextInt(10));
                default -> view.publish(REQUEST).subscribe(new Few(random.nextInt(10)));
            }
        }
        futures.forEach(future -> future.handle((answer, failure) -> "ended").join());
    }

    private static void complete(BalancedLlm llm) {
        try {
            assertThat(llm.complete(REQUEST).text()).isEqualTo("Once upon a time there was");
        } catch (LlmException e) {
            assertThat(e.reason()).isNotEqualTo(Reason.INTERNAL_ERROR);
        }
    }

    private static void read(BalancedLlm llm, int chunks) {
        try (CompletionStream stream = llm.stream(REQUEST)) {
            StringBuilder read = new StringBuilder();
            int left = chunks;
            for (CompletionChunk chunk : stream) {
                read.append(chunk.text());
                if (--left < 0) {
                    break;
                }
            }
            assertThat("Once upon a time there was").startsWith(read);
        } catch (LlmException e) {
            assertThat(e.reason()).isNotEqualTo(Reason.INTERNAL_ERROR);
        }
    }

    private void change(BalancedLlm llm, AtomicBoolean done) {
        Random random = new Random(99);
        List<String> names = RoutingPolicies.names();
        while (!done.get()) {
            switch (random.nextInt(5)) {
                case 0 -> llm.pool().replace(endpoint("changing", random.nextInt(20)));
                case 1 ->
                    llm.pool()
                            .drain("failing", Duration.ofMillis(random.nextInt(5)))
                            .join();
                case 2 -> llm.pool().resume("failing");
                case 3 -> llm.pool().updateMaxConcurrency("steady", 1 + random.nextInt(4));
                default ->
                    llm.switchRouting(policy.next(RoutingPolicies.named(names.get(random.nextInt(names.size())))));
            }
        }
    }

    /** Asks for chunks one by one, and cancels after a few. */
    private static final class Few implements Flow.Subscriber<CompletionChunk> {
        private int left;
        private Flow.@Nullable Subscription subscription;

        Few(int left) {
            this.left = left;
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            subscription.request(1);
        }

        @Override
        public void onNext(CompletionChunk chunk) {
            Flow.Subscription open = subscription;
            if (open != null) {
                if (--left < 0) {
                    open.cancel();
                } else {
                    open.request(1);
                }
            }
        }

        @Override
        public void onError(Throwable failure) {}

        @Override
        public void onComplete() {}
    }

    @Test
    void noCallIsLostWhileItsOnlyEndpointIsReplacedAgainAndAgain() throws Exception {
        BalancedLlm llm = BalancedLlm.builder().endpoint(endpoint("only", 0)).build();
        AtomicBoolean done = new AtomicBoolean();
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < CALLERS; i++) {
            running.add(callers.submit(() -> {
                for (int call = 0; call < CALLS_EACH; call++) {
                    llm.complete(REQUEST);
                }
            }));
        }
        Thread changes = new Thread(() -> {
            while (!done.get()) {
                llm.pool().replace(endpoint("only", 0));
            }
        });
        changes.start();

        for (Future<?> caller : running) {
            caller.get();
        }
        done.set(true);
        changes.join();
        llm.close();

        assertThat(llm.statistics().completed()).isEqualTo(CALLERS * CALLS_EACH);
        assertThat(llm.statistics().retries()).isZero();
        CloseTest.assertGone(before);
        assertThat(backends).allMatch(backend -> backend.closes() == 1);
    }
}
