/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.contract.EveryPolicy;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.LlmListener;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.resilience.HedgingPolicy;
import io.balancedllm.resilience.RetryPolicy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Servers that refuse, fail, cut, reset, stall, die and come back at random, and callers that give up at random, over real
 * sockets, under every policy.
 */
@Timeout(600)
@DisplayName("A1, A2, A9: over sockets each call ends once too, and no count, connection or thread is left")
class SocketChaosTest {
    private static final int FEW = 400;
    private static final int FEW_CALLERS = 4;
    /** A hundred thousand over all policies. */
    private static final int MANY = 100_000 / EveryPolicy.names().size() + 1;

    private static final int MANY_CALLERS = 32;
    private static final int SERVERS = 4;
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final CompletionRequest REQUEST =
            CompletionRequest.builder().user("Tell me a story").build();

    private final Map<String, AtomicInteger> ends = new ConcurrentHashMap<>();
    private final List<MortalServer> servers = new ArrayList<>();

    static Stream<String> policies() {
        return EveryPolicy.names().stream();
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"leastConnections", "prefixAffinity"})
    void nothingIsLeftAfterAFewCalls(String policy) throws Exception {
        live(policy, FEW, FEW_CALLERS);
    }

    @Tag("long")
    @ParameterizedTest(name = "{0}")
    @MethodSource("policies")
    void nothingIsLeftAfterManyCalls(String policy) throws Exception {
        live(policy, MANY, MANY_CALLERS);
    }

    private void live(String policy, int calls, int threads) throws Exception {
        Set<Thread> before = CloseTest.balancerThreads();
        BalancedLlm.Builder builder = BalancedLlm.builder()
                .routing(EveryPolicy.named(policy))
                .hedging(HedgingPolicy.after(Duration.ofMillis(20)))
                .retry(RetryPolicy.builder().budgetPerCall(1).build()) // or else most would wait for it
                .healthCheck(HealthCheck.every(Duration.ofMillis(50)))
                .firstTokenTimeout(Duration.ofMillis(100))
                .idleTimeout(Duration.ofMillis(100))
                .listener(new EndCounter());
        for (int i = 0; i < SERVERS; i++) {
            MortalServer server = new MortalServer(i);
            servers.add(server);
            builder.endpoint("server-" + i, OpenAiBackend.at(server.url()));
        }
        BalancedLlm llm = builder.build();
        ExecutorService callers = Executors.newFixedThreadPool(threads);
        try {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                Random random = new Random(100 + i);
                int share = calls / threads + (i < calls % threads ? 1 : 0);
                running.add(callers.submit(() -> call(llm, random, share)));
            }
            for (Future<?> caller : running) {
                caller.get();
            }
            assertThat(llm.statistics().completed()).isGreaterThan(calls / 2);
            llm.close();
            assertNothingIsLeft(llm, calls);
            CloseTest.awaitTrue(() -> before.containsAll(CloseTest.balancerThreads()));
        } finally {
            callers.shutdownNow();
            llm.close();
            servers.forEach(MortalServer::close);
        }
    }

    private void assertNothingIsLeft(BalancedLlm llm, int calls) {
        assertThat(llm.statistics().running()).isZero();
        assertThat(llm.waiting()).isZero();
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::inFlight).allMatch(count -> count == 0);
        assertThat(llm.statistics().endpoints()).allMatch(endpoint -> endpoint.running() == 0);
        CloseTest.awaitTrue(() -> ends.values().stream().allMatch(count -> count.get() > 0)); // told on the loop
        assertThat(ends)
                .hasSize(calls)
                .allSatisfy((id, count) -> assertThat(count).hasValue(1));
        servers.forEach(server -> server.awaitNoConnections(PATIENCE));
    }

    /** What a caller does at random: it also kills a server now and then, but for the first, so that calls get on. */
    private void call(BalancedLlm llm, Random random, int calls) {
        for (int i = 0; i < calls; i++) {
            if (random.nextInt(300) == 0) {
                servers.get(1 + random.nextInt(SERVERS - 1)).dieOrComeBack();
            }
            BalancedLlm view = llm.with(CallOptions.builder()
                    .timeout(Duration.ofMillis(random.nextInt(5) == 0 ? 1 + random.nextInt(50) : 10_000))
                    .build());
            try {
                switch (random.nextInt(3)) {
                    case 0 -> assertThat(view.complete(REQUEST).text()).isEqualTo(MortalServer.STORY);
                    case 1 -> read(view, random.nextInt(6));
                    default -> {
                        CompletableFuture<Completion> future = view.completeAsync(REQUEST);
                        if (random.nextInt(3) == 0) {
                            future.cancel(true);
                        } else {
                            future.handle((answer, failure) -> "ended").join();
                        }
                    }
                }
            } catch (LlmException e) {
                assertThat(e.reason()).isNotEqualTo(Reason.INTERNAL_ERROR);
            }
        }
    }

    private static void read(BalancedLlm llm, int chunks) {
        StringBuilder read = new StringBuilder();
        try (CompletionStream stream = llm.stream(REQUEST)) {
            int left = chunks;
            for (CompletionChunk chunk : stream) {
                read.append(chunk.text());
                if (--left < 0) {
                    break;
                }
            }
        }
        assertThat(MortalServer.STORY).startsWith(read);
    }

    private final class EndCounter implements LlmListener {
        @Override
        public CallListener callStarted(CallInfo call) {
            AtomicInteger count = new AtomicInteger();
            ends.put(call.callId(), count);
            return new CallListener() {
                @Override
                public void ended(CallEnd end) {
                    count.incrementAndGet();
                }
            };
        }
    }
}
