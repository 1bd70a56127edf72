/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.testkit.ManualScheduler;
import io.balancedllm.testkit.MockLlmServer;
import io.balancedllm.testkit.MockResponse;
import io.balancedllm.testkit.ServedRequest;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Closing with calls in flight. */
class CloseTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final CompletionRequest CHAT =
            CompletionRequest.builder().user("Tell me a story").build();
    private static final MockResponse STALLS =
            MockResponse.chat("Once", " upon").cutBefore(" upon").stall();

    private final ManualScheduler time = new ManualScheduler();
    private final MockLlmServer server = MockLlmServer.start();

    @AfterEach
    void close() {
        server.close();
    }

    @Test
    @DisplayName("A9: close gives calls in flight their grace, then fails them, and closes their connections")
    void closeFailsWhatOutlivesTheGrace() throws Exception {
        server.dispatch(request -> STALLS);
        BalancedLlm llm = onVirtualTime();
        CompletableFuture<Completion> call = llm.completeAsync(CHAT);
        CompletionStream stream = llm.stream(CHAT);
        ServedRequest one = server.takeRequest(PATIENCE);
        ServedRequest other = server.takeRequest(PATIENCE);
        one.awaitStalled(PATIENCE);
        other.awaitStalled(PATIENCE);
        CompletableFuture<Void> closing = CompletableFuture.runAsync(llm::close);
        time.awaitTimer("close grace", PATIENCE);
        time.advance(BalancedLlm.DEFAULT_CLOSE_GRACE.minusNanos(1));
        assertThat(call).isNotDone();
        assertThat(closing).isNotDone();
        assertThat(LoopbackTest.failureOf(() -> llm.complete(CHAT)).reason()).isEqualTo(Reason.CLOSED);
        time.advance(Duration.ofNanos(1));
        assertThat(reasonOf(call)).isEqualTo(Reason.CLOSED);
        assertThat(LoopbackTest.failureOf(stream::completion).reason()).isEqualTo(Reason.CLOSED);
        closing.get(20, TimeUnit.SECONDS);
        one.awaitCancelled(PATIENCE);
        other.awaitCancelled(PATIENCE);
        llm.close();
    }

    @Test
    @DisplayName("A9: close waits for calls that end within the grace")
    void closeWaitsForCallsThatEnd() throws Exception {
        server.enqueue(STALLS.then(MockResponse.chat(" a time")));
        BalancedLlm llm = onVirtualTime();
        CompletableFuture<Completion> call = llm.completeAsync(CHAT);
        server.takeRequest(PATIENCE).awaitStalled(PATIENCE);
        CompletableFuture<Void> closing = CompletableFuture.runAsync(llm::close);
        time.awaitTimer("close grace", PATIENCE);
        server.release();
        assertThat(call.get(20, TimeUnit.SECONDS).text()).isEqualTo("Once a time");
        closing.get(20, TimeUnit.SECONDS);
        assertThat(time.pending()).isEmpty();
    }

    @Test
    @DisplayName("A9: close is idempotent, from several threads at a time")
    void closeIsIdempotent() throws Exception {
        BalancedLlm llm = onVirtualTime();
        llm.complete(CHAT);
        CompletableFuture<Void> one = CompletableFuture.runAsync(llm::close);
        CompletableFuture<Void> other = CompletableFuture.runAsync(llm::close);
        CompletableFuture.allOf(one, other).get(20, TimeUnit.SECONDS);
        llm.close();
    }

    @Test
    @DisplayName("A9: close leaves no thread of the balancer behind")
    void closeLeavesNoThread() {
        server.dispatch(
                request -> request.method().equals("POST") && request.json().containsKey("stop")
                        ? STALLS
                        : server.goodAnswer(request));
        Set<Thread> before = balancerThreads();
        BalancedLlm llm = BalancedLlm.builder()
                .endpoint("mock", OpenAiBackend.at(server.url()))
                .closeGrace(Duration.ofMillis(1))
                .build();
        for (int i = 0; i < 8; i++) {
            assertThat(llm.completeAsync(CHAT).join().text()).isEqualTo("Once upon a time");
        }
        CompletableFuture<Completion> stuck =
                llm.completeAsync(CHAT.newBuilder().stop("x").build());
        for (int i = 0; i < 9; i++) {
            server.takeRequest(PATIENCE);
        }
        assertThat(balancerThreads()).hasSizeGreaterThan(before.size());
        llm.close();
        assertThat(stuck).isCompletedExceptionally();
        awaitTrue(() -> before.containsAll(balancerThreads()));
    }

    /** Threads named after the balancer, but for the HTTP readers, which all balancers of a JVM share and which idle out. */
    static Set<Thread> balancerThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(Thread::isAlive)
                .filter(thread -> thread.getName().startsWith("balancedllm-"))
                .filter(thread -> !thread.getName().startsWith("balancedllm-http"))
                .collect(Collectors.toSet());
    }

    /** For what has no condition to wait on: looks again, on virtual time's own deadline. */
    static void awaitTrue(BooleanSupplier condition) {
        CompletableFuture<Void> looked = CompletableFuture.runAsync(() -> {
            while (!condition.getAsBoolean() && !Thread.currentThread().isInterrupted()) {
                Thread.onSpinWait();
            }
        });
        try {
            looked.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            throw new AssertionError("waited in vain", e);
        }
    }

    private BalancedLlm onVirtualTime() {
        return BalancedLlm.builder()
                .endpoint("mock", OpenAiBackend.at(server.url()))
                .healthCheck(HealthCheck.off())
                .scheduler(time)
                .ticker(time.ticker())
                .build();
    }

    private static Reason reasonOf(CompletableFuture<?> call) throws Exception {
        try {
            Object answer = call.get(20, TimeUnit.SECONDS);
            throw new AssertionError("a failure was expected, got " + answer);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof LlmException failure) {
                return failure.reason();
            }
            throw e;
        }
    }
}
