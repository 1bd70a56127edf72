/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static io.balancedllm.testkit.engine.OneThread.failureOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.LlmListener;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.testkit.EchoBackend;
import io.balancedllm.testkit.ManualScheduler;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class CloseTest {
    private static final Duration SHORT = Duration.ofMillis(50);

    private final ScriptedBackend silent = new ScriptedBackend();
    private final ClosingBackend closing = new ClosingBackend(silent);

    static Set<Thread> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("balancedllm-"))
                .collect(Collectors.toSet());
    }

    static void assertGone(Set<Thread> before) throws InterruptedException {
        Set<Thread> left = threads();
        left.removeAll(before);
        for (Thread thread : left) {
            thread.join(10_000); // was told to end; give it the time to
            assertThat(thread.isAlive()).as(thread.getName()).isFalse();
        }
    }

    @Test
    @DisplayName("A9: close fails what does not end in time, typed, and leaves no thread")
    void closeEndsCallsAndThreads() throws InterruptedException {
        Set<Thread> before = threads();
        BalancedLlm llm = BalancedLlm.builder()
                .endpoint(Endpoint.builder("a", closing).maxConcurrency(1).build())
                .closeGrace(SHORT)
                .listener(new RecordingListener())
                .build();
        CompletableFuture<Completion> running = llm.completeAsync(REQUEST);
        CompletableFuture<Completion> waiting = llm.completeAsync(REQUEST);

        llm.close();
        llm.close();

        for (CompletableFuture<Completion> future : List.of(running, waiting)) {
            assertThatThrownBy(future::join).hasCauseInstanceOf(LlmException.class);
            assertThat(failureOf(future).reason()).isEqualTo(Reason.CLOSED);
        }
        assertThat(closing.closes()).isOne();
        assertGone(before);
    }

    @Test
    @DisplayName("A9: calls in flight get the grace period")
    void callsMayEndWhileTheBalancerCloses() throws InterruptedException {
        ManualScheduler timers = new ManualScheduler();
        BalancedLlm llm = BalancedLlm.builder()
                .endpoint("a", closing)
                .healthCheck(HealthCheck.off())
                .scheduler(timers)
                .build();
        CompletableFuture<Completion> running = llm.completeAsync(REQUEST);
        Thread closer = new Thread(llm::close);
        closer.start();
        timers.awaitTimer("close grace");
        assertThatThrownBy(() -> llm.complete(REQUEST)).hasMessageContaining("is closed");

        silent.takeAttempt().chunk("in time").complete();

        assertThat(running.join().text()).isEqualTo("in time");
        closer.join();
    }

    @Test
    void aCallAfterTheEndFailsTypedAndIsToldToListeners() {
        RecordingListener listener = new RecordingListener();
        BalancedLlm llm = BalancedLlm.builder()
                .endpoint("a", new EchoBackend())
                .listener(listener)
                .build();
        llm.close();

        assertThatThrownBy(() -> llm.complete(REQUEST)).hasMessageContaining("is closed");
        assertThat(failureOf(llm.completeAsync(REQUEST)).reason()).isEqualTo(Reason.CLOSED);
        assertThatThrownBy(() -> llm.stream(REQUEST).completion()).hasMessageContaining("is closed");

        assertThat(listener.stories()).containsExactlyInAnyOrder("SX", "SX", "SX");
        assertThat(llm.statistics().running()).isZero();
    }

    @Test
    @DisplayName("A9: a listener that never returns cannot make close hang")
    void aBlockedListenerCannotMakeCloseHang() throws InterruptedException {
        Set<Thread> before = threads();
        CountDownLatch never = new CountDownLatch(1);
        BalancedLlm llm = BalancedLlm.builder()
                .endpoint("a", new EchoBackend())
                .closeGrace(SHORT)
                .listener(endedBy(() -> awaitUntilInterrupted(never)))
                .build();
        llm.complete(REQUEST);

        llm.close();

        assertGone(before);
    }

    @Test
    @DisplayName("A9: a listener may close the balancer")
    void aListenerMayCloseTheBalancer() throws InterruptedException {
        Set<Thread> before = threads();
        CompletableFuture<BalancedLlm> self = new CompletableFuture<>();
        CountDownLatch closed = new CountDownLatch(1);
        BalancedLlm llm = BalancedLlm.builder()
                .endpoint("a", new EchoBackend())
                .closeGrace(SHORT)
                .listener(endedBy(() -> {
                    self.join().close();
                    closed.countDown();
                }))
                .build();
        self.complete(llm);

        llm.complete(REQUEST);

        closed.await();
        llm.close();
        assertGone(before);
    }

    @Test
    void anInterruptCutsTheGraceShort() throws InterruptedException {
        BalancedLlm llm = BalancedLlm.builder().endpoint("a", closing).build();
        CompletableFuture<Completion> running = llm.completeAsync(REQUEST);
        Thread closer = new Thread(llm::close);
        closer.start();

        closer.interrupt();
        closer.join();

        running.handle((answer, failure) -> "ended").join(); // the callback pool tells of it, in its own time
        assertThat(failureOf(running).reason()).isEqualTo(Reason.CLOSED);
        assertThat(closing.closes()).isOne();
    }

    private static LlmListener endedBy(Runnable action) {
        return new LlmListener() {
            @Override
            public CallListener callStarted(CallInfo call) {
                return new CallListener() {
                    @Override
                    public void ended(CallEnd end) {
                        action.run();
                    }
                };
            }
        };
    }

    private static void awaitUntilInterrupted(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
