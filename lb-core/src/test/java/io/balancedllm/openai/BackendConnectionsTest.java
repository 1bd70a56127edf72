/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static io.balancedllm.openai.BackendTesting.DEADLINE_SECONDS;
import static io.balancedllm.openai.BackendTesting.REQUEST;
import static io.balancedllm.openai.BackendTesting.STREAM_HEAD;
import static io.balancedllm.openai.BackendTesting.STREAM_HEAD_LENGTH;
import static io.balancedllm.openai.BackendTesting.chunk;
import static io.balancedllm.openai.BackendTesting.done;
import static io.balancedllm.openai.BackendTesting.keepAlive;
import static io.balancedllm.openai.BackendTesting.probe;
import static io.balancedllm.openai.BackendTesting.reset;
import static io.balancedllm.openai.BackendTesting.run;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.ProbeResult;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** When connections are opened, kept, replaced and closed. */
class BackendConnectionsTest {
    @Test
    void aServerThatWritesWithoutEndIsHeldBackByItsSocket() throws Exception {
        AtomicLong written = new AtomicLong();
        CountDownLatch clientGone = new CountDownLatch(1);
        byte[] chunk = chunk("x".repeat(1_000), null).getBytes(StandardCharsets.UTF_8);
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
                    OutputStream out = socket.getOutputStream();
                    out.write(STREAM_HEAD.getBytes(StandardCharsets.UTF_8));
                    try {
                        while (true) {
                            out.write(chunk);
                            written.addAndGet(chunk.length);
                        }
                    } finally {
                        clientGone.countDown();
                    }
                });
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            RecordingSink sink = new RecordingSink();
            Generation generation = backend.start(Attempt.of(REQUEST), sink);
            generation.request(3);
            sink.awaitChunks(3);
            long stalledAt = awaitStall(written);
            assertThat(stalledAt).isLessThan(32L << 20); // what both kernels buffer, not what would be written
            assertThat(sink.chunks).hasSize(3);
            generation.cancel();
            assertThat(sink.awaitEnd()).isEqualTo("cancelled");
            assertThat(clientGone.await(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void cancellingClosesTheConnectionWhileTheHeadIsPending() throws Exception {
        cancelWhen("", 0);
    }

    @Test
    void cancellingClosesTheConnectionInTheMiddleOfTheStream() throws Exception {
        cancelWhen(STREAM_HEAD + chunk("a", null), 5);
    }

    @Test
    void cancellingClosesTheConnectionWhileNothingIsAskedFor() throws Exception {
        cancelWhen(STREAM_HEAD + chunk("a", null) + chunk("b", null) + chunk("c", null), 1);
    }

    @Test
    void aKeptConnectionThatProvesDeadIsReplacedOnce() throws Exception {
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
                    if (request.connection() == 1 && request.number() > 1) {
                        reset(socket);
                    } else {
                        keepAlive(socket, STREAM_HEAD_LENGTH, chunk("a", "stop") + done());
                    }
                });
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            assertThat(run(backend, REQUEST).awaitEnd()).isEqualTo("completed");
            RecordingSink second = run(backend, REQUEST);
            assertThat(second.awaitEnd()).isEqualTo("completed");
            assertThat(server.requests)
                    .extracting(ScriptedServer.Request::connection)
                    .containsExactly(1, 1, 2);
        }
    }

    @Test
    void aFreshConnectionThatIsResetFailsTheAttemptAtOnce() throws Exception {
        try (ScriptedServer server = new ScriptedServer((request, socket) -> reset(socket));
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            LlmException failure = run(backend, REQUEST).awaitFailure();
            assertThat(failure.reason()).isEqualTo(Reason.UNAVAILABLE);
            assertThat(failure.retryable()).isTrue();
            assertThat(failure).hasMessageContaining(server.url() + "/v1/chat/completions");
            assertThat(server.requests).hasSize(1);
        }
    }

    @Test
    void aRefusalThatInvitesToComeBackAtOnceIsNotRepeatedUnseen() throws Exception {
        try (ScriptedServer server = ScriptedServer.always(
                        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            LlmException failure = run(backend, REQUEST).awaitFailure();
            assertThat(failure.reason()).isEqualTo(Reason.UNAVAILABLE);
            assertThat(failure.retryAfter()).contains(Duration.ZERO);
            assertThat(server.requests).hasSize(1);
        }
    }

    @Test
    void redirectsAreNotFollowed() throws Exception {
        try (ScriptedServer server = ScriptedServer.always(
                        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            assertThat(run(backend, REQUEST).awaitFailure()).hasMessageContaining("redirects are not followed");
            assertThat(server.requests).hasSize(1);
        }
    }

    @Test
    void nobodyListeningIsUnavailableByUrl() throws Exception {
        String url;
        try (ScriptedServer server = ScriptedServer.always("")) {
            url = server.url();
        }
        try (OpenAiBackend backend = OpenAiBackend.at(url)) {
            assertThat(run(backend, REQUEST).awaitFailure())
                    .hasMessageContaining(url)
                    .extracting(LlmException::reason)
                    .isEqualTo(Reason.UNAVAILABLE);
            assertThat(probe(backend).status()).isEqualTo(ProbeResult.Status.UNHEALTHY);
        }
    }

    @Test
    void aConnectionResetInTheMiddleOfAStreamTruncatesIt() throws Exception {
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
                    socket.getOutputStream().write((STREAM_HEAD + chunk("a", null)).getBytes(StandardCharsets.UTF_8));
                    socket.getOutputStream().flush();
                    reset(socket);
                });
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            LlmException failure = run(backend, REQUEST).awaitFailure();
            assertThat(failure.reason()).isIn(Reason.TRUNCATED, Reason.UNAVAILABLE); // the reset may overtake the head
            assertThat(failure).hasCauseInstanceOf(IOException.class);
            assertThat(server.requests).hasSize(1);
        }
    }

    @Test
    void aWholeAnswerStandsEvenIfTheConnectionIsResetAfterIt() throws Exception {
        CountDownLatch read = new CountDownLatch(1);
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
                    socket.getOutputStream().write((STREAM_HEAD + chunk("a", "stop")).getBytes(StandardCharsets.UTF_8));
                    socket.getOutputStream().flush();
                    assertThat(read.await(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
                    reset(socket);
                });
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            RecordingSink sink = run(backend, REQUEST);
            sink.awaitChunks(1);
            read.countDown();
            assertThat(sink.awaitEnd()).isEqualTo("completed");
        }
    }

    @Test
    void theConnectionOfARefusalIsUsedAgain() throws Exception {
        try (ScriptedServer server = new ScriptedServer((request, socket) -> keepAlive(
                        socket,
                        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1.5\r\nContent-Length: ",
                        "{\"error\":\"slow\"}"));
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            for (int i = 0; i < 3; i++) {
                LlmException failure = run(backend, REQUEST).awaitFailure();
                assertThat(failure.reason()).isEqualTo(Reason.RATE_LIMITED);
                assertThat(failure.retryAfter()).contains(Duration.ofMillis(1_500));
                assertThat(failure.statusCode()).hasValue(429);
            }
            assertThat(server.requests)
                    .extracting(ScriptedServer.Request::number)
                    .containsExactly(1, 2, 3);
        }
    }

    @Test
    void closingFailsWhatRunsAndWhatComesAfter() throws Exception {
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
            socket.getOutputStream().write(STREAM_HEAD.getBytes(StandardCharsets.UTF_8));
            ScriptedServer.drain(socket.getInputStream());
        })) {
            OpenAiBackend backend = OpenAiBackend.at(server.url());
            RecordingSink sink = run(backend, REQUEST);
            assertThat(sink.accepted.await(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
            backend.close();
            backend.close();
            assertThat(sink.awaitFailure().reason()).isEqualTo(Reason.CLOSED);
            assertThat(run(backend, REQUEST).awaitFailure().reason()).isEqualTo(Reason.CLOSED);
            assertThat(probe(backend).status()).isEqualTo(ProbeResult.Status.UNHEALTHY);
        }
    }

    @Test
    void cancellingTheFutureOfEmbeddingsClosesTheConnection() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
                    asked.countDown();
                    ScriptedServer.drain(socket.getInputStream());
                    closed.countDown();
                });
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            CompletableFuture<Embeddings> future =
                    backend.embed(Attempt.of(EmbeddingRequest.of("a"))).toCompletableFuture();
            assertThat(asked.await(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
            assertThat(future.cancel(true)).isTrue();
            assertThat(closed.await(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
        }
    }

    /** {@return the value at which the counter stands still over many looks, each after other threads could run} */
    private static long awaitStall(AtomicLong counter) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        long last = -1;
        int same = 0;
        while (same < 20) {
            assertThat(never.await(20, TimeUnit.MILLISECONDS)).isFalse();
            long now = counter.get();
            same = now == last ? same + 1 : 0;
            last = now;
        }
        return last;
    }

    private static void cancelWhen(String sent, int demand) throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
                    socket.getOutputStream().write(sent.getBytes(StandardCharsets.UTF_8));
                    socket.getOutputStream().flush();
                    asked.countDown();
                    ScriptedServer.drain(socket.getInputStream());
                    closed.countDown();
                    socket.close();
                });
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            RecordingSink sink = new RecordingSink();
            Generation generation = backend.start(Attempt.of(REQUEST), sink);
            if (demand > 0) {
                generation.request(demand);
                sink.awaitChunks(1);
            }
            assertThat(asked.await(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
            generation.cancel();
            generation.cancel();
            assertThat(sink.awaitEnd()).isEqualTo("cancelled");
            assertThat(closed.await(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
        }
    }
}
