/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.cache.CacheOptions;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.testkit.EchoBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many threads that ask for the same few things, over backends in memory. */
@Timeout(120)
class SharedStressTest {
    private static final int CALLERS = 8;
    private static final int CALLS_EACH = 500;
    private static final int PROMPTS = 5;

    private final ExecutorService engines = Executors.newFixedThreadPool(3);
    private final ExecutorService callers = Executors.newFixedThreadPool(64);
    private final RecordingListener listener = new RecordingListener();

    @AfterEach
    void end() {
        callers.shutdownNow();
        engines.shutdownNow();
    }

    private BalancedLlm balancer(CacheOptions options) {
        return BalancedLlm.builder()
                .endpoint(Endpoint.of("a", new EchoBackend(engines)))
                .endpoint(Endpoint.of("b", new EchoBackend(engines)))
                .listener(listener)
                .cache(options)
                .closeGrace(Duration.ofMinutes(1))
                .build();
    }

    private static CompletionRequest request(int topic) {
        return CompletionRequest.builder("m")
                .prompt("tell me all there is to tell about topic number " + topic)
                .temperature(0)
                .build();
    }

    @Test
    @DisplayName("E4: whatever many threads ask at once, each call ends once, with an answer to its own request")
    void nothingIsLostOrMixedUpUnderLoad() throws Exception {
        // A cache that holds next to nothing, so that calls keep meeting in flight.
        BalancedLlm llm = balancer(CacheOptions.builder().maximumBytes(2_000).build());
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < CALLERS; i++) {
            int seed = i;
            running.add(callers.submit(() -> call(llm, new Random(seed))));
        }
        for (Future<?> caller : running) {
            caller.get();
        }

        llm.close();

        listener.assertGrammar();
        assertThat(listener.ends).hasSize(CALLERS * CALLS_EACH);
        assertThat(llm.statistics().running()).isZero();
        assertThat(llm.statistics().cache().reused()).isPositive();
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::inFlight).allMatch(count -> count == 0);
    }

    private static void call(BalancedLlm shared, Random random) {
        for (int i = 0; i < CALLS_EACH; i++) {
            int topic = random.nextInt(PROMPTS);
            BalancedLlm llm = random.nextInt(5) > 0
                    ? shared
                    : shared.with(CallOptions.builder()
                            .timeout(Duration.ofNanos(1 + random.nextInt(2_000_000)))
                            .build());
            try {
                switch (random.nextInt(4)) {
                    case 0 -> assertThat(llm.complete(request(topic)).text()).endsWith(" " + topic);
                    case 1 -> {
                        try (CompletionStream stream = llm.stream(request(topic))) {
                            assertThat(stream.completion().text()).endsWith(" " + topic);
                        }
                    }
                    case 2 -> {
                        try (CompletionStream stream = llm.stream(request(topic))) {
                            stream.iterator().next();
                        }
                    }
                    default -> {
                        CompletableFuture<Completion> future = llm.completeAsync(request(topic));
                        if (random.nextBoolean()) {
                            future.cancel(true);
                        }
                        assertThat(future.join().text()).endsWith(" " + topic);
                    }
                }
            } catch (LlmException e) {
                assertThat(e.reason()).isEqualTo(LlmException.Reason.DEADLINE_EXCEEDED);
            } catch (CancellationException e) {
                assertThat(e).isNotNull(); // was asked for
            } catch (CompletionException e) {
                assertThat(e.getCause())
                        .isInstanceOfSatisfying(
                                LlmException.class,
                                cause -> assertThat(cause.reason()).isEqualTo(LlmException.Reason.DEADLINE_EXCEEDED));
            }
        }
    }

    @Test
    void sixtyFourThreadsWithOneRequestMakeOneGeneration() throws Exception {
        BalancedLlm llm = balancer(CacheOptions.DEFAULT);
        for (int round = 0; round < 50; round++) {
            CompletionRequest request = request(round);
            CountDownLatch go = new CountDownLatch(1);
            List<Future<Completion>> answers = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                answers.add(callers.submit(() -> {
                    go.await();
                    return llm.complete(request);
                }));
            }
            go.countDown();
            for (Future<Completion> answer : answers) {
                assertThat(answer.get().text()).endsWith(" " + round);
            }
            assertThat(llm.statistics().attempts()).isEqualTo(round + 1);
        }
        llm.close();
    }
}
