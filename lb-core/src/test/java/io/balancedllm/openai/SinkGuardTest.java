/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class SinkGuardTest {
    private final LlmException failure = new LlmException(Reason.CLOSED, "x");

    @Test
    void nothingFollowsTheEnd() throws InterruptedException {
        RecordingSink sink = new RecordingSink();
        SinkGuard guard = new SinkGuard(sink);
        assertThat(guard.accepted(ResponseInfo.IN_PROCESS)).isTrue();
        assertThat(guard.chunk(CompletionChunk.text(0, "a"))).isTrue();
        assertThat(guard.cancelled()).isTrue();
        assertThat(guard.completed()).isFalse();
        assertThat(guard.failed(failure)).isFalse();
        assertThat(guard.alive()).isFalse();
        assertThat(guard.chunk(CompletionChunk.text(0, "b"))).isFalse();
        assertThat(sink.awaitEnd()).isEqualTo("cancelled");
        assertThat(sink.text()).isEqualTo("a");
    }

    @Test
    void anEndFromInsideTheSinkComesAfterThatCall() throws InterruptedException {
        RecordingSink sink = new RecordingSink();
        SinkGuard[] guard = new SinkGuard[1];
        guard[0] = new SinkGuard(new GenerationSink() {
            @Override
            public void accepted(ResponseInfo info) {}

            @Override
            public void alive() {}

            @Override
            public void chunk(CompletionChunk chunk) {
                guard[0].cancelled();
                sink.chunk(chunk);
            }

            @Override
            public void completed() {
                sink.completed();
            }

            @Override
            public void failed(LlmException cause) {
                sink.failed(cause);
            }

            @Override
            public void cancelled() {
                sink.cancelled();
            }
        });
        assertThat(guard[0].chunk(CompletionChunk.text(0, "a"))).isFalse();
        assertThat(sink.awaitEnd()).isEqualTo("cancelled");
    }

    @Test
    void endsThatRaceWithChunksKeepTheGrammar() throws InterruptedException {
        for (int round = 0; round < 2_000; round++) {
            RecordingSink sink = new RecordingSink();
            SinkGuard guard = new SinkGuard(sink);
            CountDownLatch started = new CountDownLatch(2);
            Thread canceller = new Thread(() -> {
                started.countDown();
                guard.cancelled();
            });
            Thread closer = new Thread(() -> {
                started.countDown();
                guard.failed(failure);
            });
            canceller.start();
            closer.start();
            assertThat(started.await(20, TimeUnit.SECONDS)).isTrue();
            while (guard.chunk(CompletionChunk.text(0, "a"))) {
                Thread.onSpinWait();
            }
            canceller.join();
            closer.join();
            assertThat(sink.awaitEnd()).isIn("cancelled", "failed");
        }
    }

    @Test
    void demandAddsUpAndMaximumLiftsTheLimit() {
        Demand demand = new Demand();
        demand.add(1);
        demand.add(Integer.MAX_VALUE - 1);
        assertThat(demand.take(() -> false)).isTrue();
        demand.add(Integer.MAX_VALUE);
        for (int i = 0; i < 10; i++) {
            assertThat(demand.take(() -> false)).isTrue();
        }
        assertThat(demand.take(() -> true)).isFalse();
        assertThatThrownBy(() -> demand.add(0)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aThreadThatIsInterruptedWaitsNoLonger() {
        Thread.currentThread().interrupt();
        assertThat(new Demand().take(() -> false)).isFalse();
        assertThat(Thread.interrupted()).isTrue();
    }
}
