/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

/** Good behaviour and the choice of answers, seen by the JDK's own HTTP client. */
class MockLlmServerTest {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final String CHAT = "/v1/chat/completions";
    private static final String ASK =
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Tell me more\"}]";

    private final MockLlmServer server = MockLlmServer.start();
    private final HttpClient client =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @AfterEach
    void close() {
        server.close();
    }

    @Test
    void answersAChatAsAWhole() throws Exception {
        HttpResponse<String> response = post(CHAT, ASK + "}");
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("content-type")).contains("application/json");
        assertThat(response.body())
                .contains("\"object\":\"chat.completion\"")
                .contains("\"content\":\"Once upon a time\"")
                .contains("\"finish_reason\":\"stop\"")
                .contains("\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7");
    }

    @RepeatedTest(20)
    void whatIsSaidOnceARequestWasTakenIsForLaterOnes() throws Exception {
        CompletableFuture<HttpResponse<String>> first =
                client.sendAsync(request(server, "POST", CHAT, ASK + "}"), HttpResponse.BodyHandlers.ofString());
        server.takeRequest(PATIENCE);
        server.enqueue(MockResponse.error(503, "later", "server_error"));

        assertThat(first.get().statusCode()).isEqualTo(200);
        assertThat(post(CHAT, ASK + "}").statusCode()).isEqualTo(503);
    }

    @Test
    void streamsAChatWithUsageWhenAskedTo() throws Exception {
        HttpResponse<String> response =
                post(CHAT, ASK + ",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"max_tokens\":2}");
        List<String> events =
                response.body().lines().filter(line -> !line.isEmpty()).toList();
        assertThat(response.headers().firstValue("content-type").orElse("")).startsWith("text/event-stream");
        assertThat(events).hasSize(6);
        assertThat(events.get(0)).contains("\"role\":\"assistant\"");
        assertThat(events.get(1)).contains("\"delta\":{\"content\":\"Once\"}");
        assertThat(events.get(3)).contains("\"finish_reason\":\"length\"");
        assertThat(events.get(4)).contains("\"choices\":[]").contains("\"completion_tokens\":2");
        assertThat(events.get(5)).isEqualTo("data: [DONE]");
    }

    @Test
    void answersPlainPromptsEveryChoiceOfThem() throws Exception {
        server.answerWith("ha");
        assertThat(post("/v1/completions", "{\"prompt\":\"x\",\"n\":2}").body())
                .contains("{\"index\":1,\"text\":\"ha\",\"finish_reason\":\"stop\"}");
        assertThat(post("/v1/completions", "{\"prompt\":\"x\",\"n\":2,\"stream\":true}")
                        .body())
                .contains("{\"index\":0,\"text\":\"ha\",\"finish_reason\":null}")
                .contains("{\"index\":1,\"text\":\"ha\",\"finish_reason\":null}")
                .endsWith("data: [DONE]\n\n");
    }

    @Test
    void embedsTheSameTextTheSameWay() throws Exception {
        String one = post("/v1/embeddings", "{\"input\":[\"a\",\"b\"],\"dimensions\":3}")
                .body();
        assertThat(one).contains("\"index\":1").contains("\"prompt_tokens\":2");
        assertThat(post("/v1/embeddings", "{\"input\":[\"a\",\"b\"],\"dimensions\":3}")
                        .body())
                .isEqualTo(one);
        assertThat(post("/v1/embeddings", "{\"input\":\"a\",\"encoding_format\":\"base64\"}")
                        .body())
                .containsPattern("\"embedding\":\"[A-Za-z0-9+/]{43}=\"");
    }

    @Test
    void answersProbesAndRefusesTheRest() throws Exception {
        assertThat(get("/health").body()).isEqualTo("{\"status\":\"ok\"}");
        assertThat(get("/v1/models").body()).contains("\"id\":\"mock\"");
        assertThat(get("/nowhere").statusCode()).isEqualTo(404);
        assertThat(post("/nowhere", "{}").statusCode()).isEqualTo(404);
        assertThat(post(CHAT, "not json").statusCode()).isEqualTo(400);
        assertThat(post(CHAT, "{\"messages\":[]}").statusCode()).isEqualTo(400);
        assertThat(post(CHAT, ASK + ",\"stream_options\":{}}").body()).contains("Stream options");
    }

    @Test
    void servesOnlyItsModelsWhenItHasAny() throws Exception {
        try (MockLlmServer strict = MockLlmServer.builder().model("tiny").start()) {
            assertThat(send(strict, "GET", "/v1/models", "").body()).contains("\"id\":\"tiny\"");
            assertThat(send(strict, "POST", CHAT, ASK + "}").statusCode()).isEqualTo(404);
            assertThat(send(strict, "POST", "/v1/completions", "{\"prompt\":\"x\"}")
                            .body())
                    .contains("\"model\":\"tiny\"");
        }
    }

    @Test
    void queuedAnswersGoToPostsOnlyAndOnce() throws Exception {
        server.enqueue(MockResponse.error(503, "busy", "overloaded"), MockResponse.error(429, "slow", "rate_limit"));
        assertThat(get("/health").statusCode()).isEqualTo(200);
        assertThat(post(CHAT, ASK + "}").statusCode()).isEqualTo(503);
        assertThat(post(CHAT, ASK + "}").statusCode()).isEqualTo(429);
        assertThat(post(CHAT, ASK + "}").statusCode()).isEqualTo(200);
    }

    @Test
    void aPathsOwnAnswerComesBeforeTheDispatcherAndThatBeforeGoodBehaviour() throws Exception {
        server.on("/health", MockResponse.error(503, "Loading model", "unavailable_error"));
        server.dispatch(request -> request.headers().containsKey("x-bad")
                ? MockResponse.body(418, "text/plain", "teapot")
                : server.goodAnswer(request));
        assertThat(get("/health").statusCode()).isEqualTo(503);
        assertThat(get("/v1/models").statusCode()).isEqualTo(200);
        HttpResponse<String> bad = client.send(
                HttpRequest.newBuilder(URI.create(server.url() + "/any"))
                        .header("X-Bad", "1")
                        .build(),
                HttpResponse.BodyHandlers.ofString());
        assertThat(bad.statusCode()).isEqualTo(418);
    }

    @Test
    void aDispatcherThatThrowsIsAServerError() throws Exception {
        server.dispatch(request -> {
            throw new IllegalStateException("in the test");
        });
        HttpResponse<String> response = post(CHAT, ASK + "}");
        assertThat(response.statusCode()).isEqualTo(500);
        assertThat(response.body()).contains("in the test");
    }

    @Test
    void remembersWhatItWasAsked() throws Exception {
        get("/health?deep=1");
        post(CHAT, ASK + "}");
        ServedRequest probe = server.requests().get(0);
        assertThat(probe.path()).isEqualTo("/health");
        assertThat(probe.target()).isEqualTo("/health?deep=1");
        ServedRequest request = server.takeRequest(PATIENCE);
        assertThat(request.method()).isEqualTo("POST");
        assertThat(request.header("Content-Type")).contains("application/json");
        assertThat(request.json())
                .containsEntry("messages", List.of(Map.of("role", "user", "content", "Tell me more")));
        request.awaitSent(PATIENCE);
        assertThat(request.bytesWritten()).isPositive();
        assertThat(server.requestCount()).isEqualTo(2);
        assertThatThrownBy(() -> server.takeRequest(Duration.ZERO)).isInstanceOf(AssertionError.class);
        assertThatThrownBy(probe::json).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void keepsConnectionsAliveBetweenRequestsUntilToldToResetThem() throws Exception {
        for (int i = 0; i < 5; i++) {
            post(CHAT, ASK + ",\"stream\":true}");
        }
        assertThat(server.connectionCount()).isEqualTo(1);
        assertThat(server.openConnections()).isEqualTo(1);
        server.resetConnections();
        server.awaitNoConnections(PATIENCE);
    }

    @Test
    void headersAndStatusAreAsScripted() throws Exception {
        server.enqueue(MockResponse.error(429, "slow down", "rate_limit").header("Retry-After", "7"));
        HttpResponse<String> response = post(CHAT, ASK + "}");
        assertThat(response.headers().firstValue("retry-after")).contains("7");
        assertThat(response.body())
                .isEqualTo(
                        "{\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit\",\"param\":null,\"code\":429}}");
    }

    @Test
    void aScriptIsCutOnlyWhereItSaysSomething() {
        MockResponse chat = MockResponse.chat("Once", " upon");
        assertThatThrownBy(() -> chat.cutBefore("never said")).hasMessageContaining("never said");
        assertThatThrownBy(() -> chat.cutAfter(99)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> chat.splitEvery(0)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void listensAgainOnThePortOfAServerThatDied() throws Exception {
        int port = server.port();
        assertThat(get("/health").statusCode()).isEqualTo(200);
        server.close();
        assertThatThrownBy(() -> get("/health")).isInstanceOf(IOException.class);
        try (MockLlmServer again = MockLlmServer.builder().port(port).start()) {
            assertThat(again.url()).isEqualTo(server.url());
            assertThat(get("/health").statusCode()).isEqualTo(200);
        }
    }

    private HttpResponse<String> get(String path) throws Exception {
        return send(server, "GET", path, "");
    }

    private HttpResponse<String> post(String path, String body) throws Exception {
        return send(server, "POST", path, body);
    }

    private HttpResponse<String> send(MockLlmServer to, String method, String path, String body) throws Exception {
        return client.send(request(to, method, path, body), HttpResponse.BodyHandlers.ofString());
    }

    private static HttpRequest request(MockLlmServer to, String method, String path, String body) {
        return HttpRequest.newBuilder(URI.create(to.url() + path))
                .header("Content-Type", "application/json")
                .timeout(PATIENCE)
                .method(method, HttpRequest.BodyPublishers.ofString(body))
                .build();
    }
}
