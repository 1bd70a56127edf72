/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.testkit.MockResponse;
import io.balancedllm.testkit.ServedRequest;
import java.time.Duration;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** A reader that does not read: the engine must stop, not our memory fill. */
class BackPressureTest extends LoopbackTest {
    private static final int EVENT_CHARS = 64 * 1024;
    /** More than 32 buffered chunks of 64 KiB and both sockets' buffers hold, a moment's work for a relay without bound. */
    private static final long UNREAD_LIMIT = 48L * 1024 * 1024;

    private static final MockResponse FLOOD = MockResponse.sse()
            .endless("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + "x".repeat(EVENT_CHARS) + "\"}}]}");

    @Test
    @DisplayName("A8: a reader that pauses stops the server, and gets everything when it goes on")
    void aReaderThatPausesStopsTheServer() {
        first.enqueue(FLOOD);
        ServedRequest request;
        try (CompletionStream stream = llm.stream(CHAT)) {
            assertThat(nextText(stream)).hasSize(EVENT_CHARS);
            request = first.takeRequest(PATIENCE);
            time.awaitTimer("reader stall", PATIENCE);
            assertThat(request.awaitBytesWritten(UNREAD_LIMIT, Duration.ofMillis(500)))
                    .as("bytes nobody reads: %s", request)
                    .isFalse();
            for (int i = 0; i < 1_000; i++) {
                assertThat(nextText(stream)).hasSize(EVENT_CHARS);
            }
            assertThat(request.bytesWritten()).isGreaterThan(1_000L * EVENT_CHARS);
        }
        request.awaitCancelled(PATIENCE);
    }

    @Test
    @DisplayName("A8: a reader that never comes back costs its call, not the endpoint")
    void aReaderThatNeverComesBackIsGivenUp() throws Exception {
        first.enqueue(FLOOD);
        try (CompletionStream stream = llm.stream(CHAT)) {
            assertThat(nextText(stream)).hasSize(EVENT_CHARS);
            ServedRequest request = first.takeRequest(PATIENCE);
            time.awaitTimer("reader stall", PATIENCE);
            time.advance(BalancedLlm.DEFAULT_READER_STALL_TIMEOUT);
            request.awaitCancelled(PATIENCE);
            assertThat(failureOf(() -> {
                                while (true) {
                                    nextText(stream);
                                }
                            })
                            .reason())
                    .isEqualTo(Reason.READER_STALLED);
        }
        assertThat(nextEnd().failure()).isPresent();
        assertThat(llm.statistics().endpoints())
                .allSatisfy(endpoint -> assertThat(endpoint.failed()).isZero());
    }
}
