/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.event.CallEnd;
import io.balancedllm.testkit.MockResponse;
import io.balancedllm.testkit.ServedRequest;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every way to give a call up reaches the engine, and is held against nobody. */
class CancelTest extends LoopbackTest {
    private static final MockResponse BEGUN =
            MockResponse.chat("Once").cutBefore("finish_reason\":\"stop").stall();
    private static final MockResponse SILENT = MockResponse.sse().stallHead();

    @Test
    @DisplayName("A6: closing a stream early closes the connection")
    void closingAStreamEarlyClosesTheConnection() throws Exception {
        first.enqueue(BEGUN);
        ServedRequest request;
        try (CompletionStream stream = llm.stream(CHAT)) {
            assertThat(nextText(stream)).isEqualTo("Once");
            request = first.takeRequest(PATIENCE);
        }
        assertGivenUp(request);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @DisplayName("A6: cancelling a future closes the connection, before and behind the head")
    void cancellingAFutureClosesTheConnection(boolean head) throws Exception {
        first.enqueue(head ? BEGUN : SILENT);
        CompletableFuture<Completion> call = llm.completeAsync(CHAT);
        ServedRequest request = first.takeRequest(PATIENCE);
        request.awaitStalled(PATIENCE);
        assertThat(call.cancel(false)).isTrue();
        assertThatThrownBy(call::join).isInstanceOf(CancellationException.class);
        assertGivenUp(request);
    }

    @Test
    @DisplayName("A6: interrupting the waiting thread closes the connection")
    void interruptingTheWaitingThreadClosesTheConnection() throws Exception {
        first.enqueue(BEGUN);
        CompletableFuture<LlmException> failure = new CompletableFuture<>();
        Thread caller = new Thread(() -> failure.complete(failureOf(() -> llm.complete(CHAT))));
        caller.start();
        ServedRequest request = first.takeRequest(PATIENCE);
        request.awaitStalled(PATIENCE);
        caller.interrupt();
        assertGivenUp(request);
        assertThat(failure.get(20, TimeUnit.SECONDS).reason()).isEqualTo(Reason.CANCELLED);
    }

    @Test
    @DisplayName("A6: cancelling a subscription closes the connection")
    void cancellingASubscriptionClosesTheConnection() throws Exception {
        first.enqueue(BEGUN);
        CompletableFuture<Flow.Subscription> begun = new CompletableFuture<>();
        llm.publish(CHAT).subscribe(new Flow.Subscriber<>() {
            private final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();

            @Override
            public void onSubscribe(Flow.Subscription given) {
                subscription.complete(given);
                given.request(Long.MAX_VALUE);
            }

            @Override
            public void onNext(CompletionChunk chunk) {
                if (chunk.hasOutput()) {
                    begun.complete(subscription.join());
                }
            }

            @Override
            public void onError(Throwable failure) {
                begun.completeExceptionally(failure);
            }

            @Override
            public void onComplete() {
                begun.completeExceptionally(new AssertionError("complete"));
            }
        });
        ServedRequest request = first.takeRequest(PATIENCE);
        begun.get(20, TimeUnit.SECONDS).cancel();
        assertGivenUp(request);
    }

    @Test
    @Tag("long")
    @DisplayName("A6: the engine sees a cancel within 100 ms")
    void theEngineSeesACancelWithinATenthOfASecond() {
        Ticker clock = Ticker.system();
        Duration best = Duration.ofDays(1);
        for (int i = 0; i < 20; i++) { // the best of twenty: other processes slow some down, a missing close all
            first.enqueue(BEGUN);
            second.enqueue(BEGUN);
            CompletionStream stream = llm.stream(CHAT);
            assertThat(nextText(stream)).isEqualTo("Once");
            ServedRequest request = (i % 2 == 0 ? first : second).takeRequest(PATIENCE);
            request.awaitStalled(PATIENCE);
            long start = clock.nanos();
            request.mark();
            stream.close();
            Duration seen = request.awaitCancelled(PATIENCE);
            assertThat(seen.toNanos()).isLessThanOrEqualTo(clock.nanos() - start);
            best = seen.compareTo(best) < 0 ? seen : best;
        }
        assertThat(best).isLessThan(Duration.ofMillis(100));
    }

    /** The engine saw it, nothing is counted as running or failed, nothing went elsewhere, and the endpoint is still used. */
    private void assertGivenUp(ServedRequest request) throws Exception {
        request.awaitCancelled(PATIENCE);
        assertThat(nextEnd().outcome()).isEqualTo(CallEnd.Outcome.CANCELLED);
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::inFlight).containsOnly(0);
        assertThat(llm.statistics().endpoints()).allSatisfy(endpoint -> {
            assertThat(endpoint.failed()).isZero();
            assertThat(endpoint.cancelled()).isEqualTo(endpoint.id().equals("first") ? 1 : 0);
        });
        assertThat(llm.statistics().cancelled()).isEqualTo(1);
        assertThat(second.requestCount()).isZero();
        assertThat(llm.complete(CHAT).decision().orElseThrow().endpoint()).isEqualTo("second");
        assertThat(llm.complete(CHAT).decision().orElseThrow().endpoint()).isEqualTo("first");
    }
}
