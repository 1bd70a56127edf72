/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static io.balancedllm.openai.BackendTesting.DEADLINE_SECONDS;
import static io.balancedllm.openai.BackendTesting.REQUEST;
import static io.balancedllm.openai.BackendTesting.STREAM_HEAD;
import static io.balancedllm.openai.BackendTesting.chunk;
import static io.balancedllm.openai.BackendTesting.done;
import static io.balancedllm.openai.BackendTesting.keepAlive;
import static io.balancedllm.openai.BackendTesting.probe;
import static io.balancedllm.openai.BackendTesting.run;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.ProbeResult;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class OpenAiBackendTest {
    @Test
    void asksForAStreamWithCountsAndSaysWhoAsks() throws Exception {
        try (ScriptedServer server = ScriptedServer.always(STREAM_HEAD + chunk("a", "stop") + done());
                OpenAiBackend backend = OpenAiBackend.builder(server.url() + "/v1/")
                        .apiKey("sk-secret")
                        .header("X-Tenant", "blue")
                        .build()) {
            CompletionRequest request =
                    REQUEST.newBuilder().extra(Map.of("cache_salt", "s")).build();
            RecordingSink sink = new RecordingSink();
            backend.start(
                            new Attempt<>(
                                    request,
                                    CallOptions.DEFAULT,
                                    "call-7",
                                    2,
                                    Map.of("traceparent", "00-1-2-01"),
                                    null),
                            sink)
                    .request(Integer.MAX_VALUE);

            assertThat(sink.awaitEnd()).isEqualTo("completed");
            assertThat(sink.text()).isEqualTo("a");
            ScriptedServer.Request sent = server.requests.get(0);
            assertThat(sent.head())
                    .startsWith("POST /v1/chat/completions HTTP/1.1\r\n")
                    .containsIgnoringCase("Authorization: Bearer sk-secret\r\n")
                    .containsIgnoringCase("X-Tenant: blue\r\n")
                    .containsIgnoringCase("Accept: text/event-stream\r\n")
                    .containsIgnoringCase("Content-Type: application/json\r\n")
                    .containsIgnoringCase("X-Request-Id: call-7\r\n")
                    .containsIgnoringCase("X-BalancedLlm-Attempt: 2\r\n")
                    .containsIgnoringCase("traceparent: 00-1-2-01\r\n")
                    .doesNotContainIgnoringCase("transfer-encoding")
                    .doesNotContainIgnoringCase("upgrade");
            assertThat(Json.read(sent.body()))
                    .isEqualTo(Json.read("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
                            + "\"cache_salt\":\"s\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"));
        }
    }

    @Test
    void extraFieldsOfTheRequestOverrideHowItIsStreamed() throws Exception {
        try (ScriptedServer server = ScriptedServer.always(STREAM_HEAD + chunk("a", "stop") + done());
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            run(
                            backend,
                            REQUEST.newBuilder()
                                    .extra(Map.of("stream_options", Map.of("x", 1L)))
                                    .build())
                    .awaitEnd();
            run(
                            backend,
                            REQUEST.newBuilder()
                                    .extra(Map.of("stream", false, "stream_options", Map.of()))
                                    .build())
                    .awaitEnd();
            assertThat(server.requests.get(0).body())
                    .contains("\"stream_options\":{\"x\":1}")
                    .contains("\"stream\":true");
            assertThat(server.requests.get(1).body())
                    .contains("\"stream\":false")
                    .doesNotContain("stream_options");
        }
    }

    @Test
    void plainJsonInPlaceOfAStreamIsConverted() throws Exception {
        String json = "{\"id\":\"x\",\"created\":5,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":"
                + "{\"role\":\"assistant\",\"content\":\"all at once\"},\"finish_reason\":\"stop\"}],"
                + "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":3,\"total_tokens\":4}}";
        try (ScriptedServer server = ScriptedServer.always("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        + "Content-Length: " + json.length() + "\r\n\r\n" + json);
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            RecordingSink sink = run(backend, REQUEST);
            assertThat(sink.awaitEnd()).isEqualTo("completed");
            assertThat(sink.text()).isEqualTo("all at once");
            assertThat(sink.chunks).hasSize(1);
            assertThat(sink.chunks.get(0).usage().orElseThrow().completionTokens())
                    .isEqualTo(3);
            assertThat(((CompletionChunk.Delta) sink.chunks.get(0)).finishReason())
                    .isPresent();
        }
    }

    @Test
    void aWebPageInPlaceOfAnAnswerBreaksTheProtocol() throws Exception {
        try (ScriptedServer server = ScriptedServer.always(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>hello");
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            assertThat(run(backend, REQUEST).awaitFailure())
                    .hasMessageContaining("text/html")
                    .extracting(LlmException::reason)
                    .isEqualTo(Reason.PROTOCOL_ERROR);
        }
    }

    @Test
    void noChunkIsHandedOnBeforeItIsAskedFor() throws Exception {
        try (ScriptedServer server =
                        ScriptedServer.always(STREAM_HEAD + chunk("a", null) + chunk("b", "stop") + done());
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            RecordingSink sink = new RecordingSink();
            Generation generation = backend.start(Attempt.of(REQUEST), sink);
            assertThat(sink.accepted.await(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
            assertThat(sink.chunks).isEmpty();
            generation.request(1);
            sink.awaitChunks(1);
            assertThat(sink.text()).isEqualTo("a");
            generation.request(1);
            assertThat(sink.awaitEnd()).isEqualTo("completed"); // the end mark needs no demand
            assertThat(sink.text()).isEqualTo("ab");
        }
    }

    @Test
    void keepAliveCommentsAreSignsOfLifeAndNoChunks() throws Exception {
        try (ScriptedServer server = ScriptedServer.always(
                        STREAM_HEAD + ": ping\n\n:\n\n" + chunk("a", "stop") + ": ping\n\n" + done());
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            RecordingSink sink = run(backend, REQUEST);
            assertThat(sink.awaitEnd()).isEqualTo("completed");
            assertThat(sink.alive).hasValue(3);
            assertThat(sink.chunks).hasSize(1);
        }
    }

    @Test
    void keysAppearInNoMessage() throws Exception {
        String body = "{\"error\":{\"message\":\"Incorrect API key provided: sk-very-secret\"}}";
        try (ScriptedServer server = ScriptedServer.always(
                        "HTTP/1.1 401 Unauthorized\r\nContent-Length: " + body.length() + "\r\n\r\n" + body);
                OpenAiBackend backend = OpenAiBackend.builder(server.url())
                        .apiKey("sk-very-secret")
                        .build()) {
            LlmException failure = run(backend, REQUEST).awaitFailure();
            assertThat(failure.reason()).isEqualTo(Reason.UNAUTHORIZED);
            assertThat(failure).hasMessageContaining("***").hasMessageContaining("check the API key");
            assertThat(failure + "" + backend + failure.getCause()).doesNotContain("sk-very-secret");
        }
        assertThatThrownBy(() -> OpenAiBackend.builder("http://h").apiKey("sk-very\nsecret"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageNotContaining("secret")
                .hasNoCause();
    }

    @Test
    void badUrlsAreRefusedAtOnceWithoutShowingCredentials() {
        for (String url : new String[] {
            "",
            "gpu-1:8000",
            "ftp://x",
            "http://",
            "http://u:pw-secret@h",
            "http://h?key=pw-secret",
            "http://h/#pw-secret",
            "u:pw-secret@h",
            "http://h:99999",
            "http://h:80:80/"
        }) {
            assertThatThrownBy(() -> OpenAiBackend.at(url))
                    .as(url)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("url ")
                    .hasMessageNotContaining("pw-secret");
        }
        assertThat(OpenAiBackend.at("http://h:1/openai/v1/")).hasToString("OpenAiBackend{http://h:1/openai}");
        assertThat(OpenAiBackend.at("https://h")).hasToString("OpenAiBackend{https://h}");
    }

    @Test
    void aHeaderOfTheAttemptThatCannotBeSentFailsTyped() throws Exception {
        try (OpenAiBackend backend = OpenAiBackend.at("http://127.0.0.1:1")) {
            RecordingSink sink = new RecordingSink();
            Generation generation = backend.start(
                    new Attempt<>(REQUEST, CallOptions.DEFAULT, "id", 1, Map.of("x", "a\nsecret"), null), sink);
            generation.request(1);
            assertThat(sink.awaitFailure())
                    .hasMessageNotContaining("secret")
                    .extracting(LlmException::reason)
                    .isEqualTo(Reason.INVALID_REQUEST);
        }
    }

    @Test
    void probesTellReadyFromLoadingFromFailing() throws Exception {
        assertThat(probeOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).isEqualTo(ProbeResult.Status.READY);
        assertThat(probeOf("HTTP/1.1 429 Busy\r\nContent-Length: 0\r\n\r\n")).isEqualTo(ProbeResult.Status.READY);
        assertThat(probeOf("HTTP/1.1 503 Dead\r\nContent-Length: 0\r\n\r\n")).isEqualTo(ProbeResult.Status.UNHEALTHY);
        assertThat(probeOf("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")).isEqualTo(ProbeResult.Status.UNHEALTHY);
        String loading = Recordings.named("llamacpp-b11434/health-loading").latinResponse();
        assertThat(probeOf(loading)).isEqualTo(ProbeResult.Status.WARMING);
    }

    @Test
    void aServerWithoutHealthPathIsAskedForItsModels() throws Exception {
        try (ScriptedServer server = new ScriptedServer((request, socket) -> keepAlive(
                        socket,
                        request.head().startsWith("GET /v1/models ")
                                ? "HTTP/1.1 200 OK\r\nContent-Length: "
                                : "HTTP/1.1 404 Not Found\r\nContent-Length: ",
                        "{}"));
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            assertThat(probe(backend).status()).isEqualTo(ProbeResult.Status.READY);
            assertThat(server.requests).hasSize(EngineDialect.probePaths().size());
            assertThat(server.requests.get(1).connection()).isEqualTo(1);

            assertThat(probe(backend).status()).isEqualTo(ProbeResult.Status.READY);
            assertThat(server.requests)
                    .as("the path that answered is remembered")
                    .hasSize(EngineDialect.probePaths().size() + 1);
        }
    }

    @Test
    void aProbeWithoutAnswerEndsAtItsTimeout() throws Exception {
        CountDownLatch closed = new CountDownLatch(1);
        try (ScriptedServer server = new ScriptedServer((request, socket) -> {
                    ScriptedServer.drain(socket.getInputStream());
                    closed.countDown();
                });
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            ProbeResult result =
                    backend.probe(Duration.ofMillis(50)).toCompletableFuture().get(DEADLINE_SECONDS, TimeUnit.SECONDS);
            assertThat(result.status()).isEqualTo(ProbeResult.Status.UNHEALTHY);
            assertThat(result.detail()).contains("50 ms");
            assertThat(closed.await(DEADLINE_SECONDS, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void embeddingsAreReadInTheOrderOfTheirIndexAndCounted() throws Exception {
        String body = "{\"object\":\"list\",\"data\":[{\"index\":1,\"embedding\":\"AAAAQA==\"},"
                + "{\"index\":0,\"embedding\":[1.5]}],\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}}";
        try (ScriptedServer server = ScriptedServer.always(
                        "HTTP/1.1 200 OK\r\nContent-Length: " + body.length() + "\r\n\r\n" + body);
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            Embeddings vectors = backend.embed(Attempt.of(EmbeddingRequest.of("a", "b")))
                    .toCompletableFuture()
                    .get(DEADLINE_SECONDS, TimeUnit.SECONDS);
            assertThat(vectors.vectors().get(0)).containsExactly(1.5f);
            assertThat(vectors.vectors().get(1)).containsExactly(2f);
            assertThat(backend.embed(Attempt.of(EmbeddingRequest.of("a"))).toCompletableFuture())
                    .failsWithin(Duration.ofSeconds(DEADLINE_SECONDS))
                    .withThrowableOfType(java.util.concurrent.ExecutionException.class)
                    .withMessageContaining("2 vectors for 1 input");
        }
    }

    private static ProbeResult.Status probeOf(String response) throws Exception {
        try (ScriptedServer server = ScriptedServer.always(response);
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            return probe(backend).status();
        }
    }
}
