/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.balancedllm.completion.CompletionChunk.Delta;
import io.balancedllm.completion.CompletionChunk.UsageOnly;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WorkerServerTest {
    private static final String TEXT = "/v1/completions";
    private static final String CHAT = "/v1/chat/completions";
    private static final String WHOLE = "{\"prompt\":\"Once\"}";
    private static final String STREAMED = "{\"prompt\":\"Once\",\"stream\":true}";

    private final ScriptedBackend backend =
            new ScriptedBackend().traits(BackendTraits.builder().model("story").build());
    private final WorkerFixture worker = WorkerFixture.over(backend);

    @AfterEach
    void close() {
        worker.close();
    }

    @Test
    void anAnswerThatIsNotStreamedIsOneObject() throws Exception {
        backend.onStart(attempt -> answer(attempt, " upon", " a time"));

        HttpResponse<String> response = worker.post(TEXT, WHOLE);

        JsonNode body = WorkerFixture.json(response.body());
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(body.at("/object").asText()).isEqualTo("text_completion");
        assertThat(body.at("/choices/0/text").asText()).isEqualTo(" upon a time");
        assertThat(body.at("/choices/0/finish_reason").asText()).isEqualTo("stop");
        assertThat(body.at("/usage/completion_tokens").asInt()).isEqualTo(2);
    }

    @Test
    void aStreamHasAnEventForEachChunkThenTheEndMark() throws Exception {
        backend.onStart(attempt -> answer(attempt, " upon", " a time"));

        HttpResponse<String> response = worker.post(TEXT, STREAMED);

        assertThat(response.headers().firstValue("content-type")).hasValue("text/event-stream; charset=utf-8");
        List<String> events = WorkerFixture.events(response.body());
        assertThat(events).hasSize(4).last().isEqualTo("[DONE]");
        assertThat(WorkerFixture.json(events.get(1)).at("/choices/0/text").asText())
                .isEqualTo(" a time");
        assertThat(response.body()).doesNotContain("usage");
    }

    @Test
    void tokenCountsComeLastToAClientThatAsksForThem() throws Exception {
        backend.onStart(attempt -> answer(attempt, " upon"));

        HttpResponse<String> response = worker.post(
                CHAT,
                "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"stream\":true,"
                        + "\"stream_options\":{\"include_usage\":true}}");

        List<String> events = WorkerFixture.events(response.body());
        JsonNode counts = WorkerFixture.json(events.get(events.size() - 2));
        assertThat(counts.at("/choices")).isEmpty();
        assertThat(counts.at("/usage/prompt_tokens").asInt()).isEqualTo(7);
        assertThat(counts.at("/object").asText()).isEqualTo("chat.completion.chunk");
    }

    @ParameterizedTest
    @CsvSource({
        "'{\"prompt\":', 400",
        "'[]', 400",
        "'{\"prompt\":\"x\",\"stream\":\"yes\"}', 400",
        "'{\"prompt\":\"x\",\"max_tokens\":-1}', 400",
        "'{\"prompt\":\"x\",\"model\":\"other\"}', 404"
    })
    void aRequestAtFaultIsToldSoInTheFormOfTheWire(String body, int status) throws Exception {
        HttpResponse<String> response = worker.post(TEXT, body);

        assertThat(response.statusCode()).isEqualTo(status);
        assertThat(WorkerFixture.json(response.body()).at("/error/message").asText())
                .isNotBlank();
        assertThat(backend.started()).isZero();
    }

    @Test
    void aStreamThatFailsBeforeItsFirstChunkHasTheStatusOfItsFailure() throws Exception {
        backend.onStart(attempt -> attempt.fail(LlmException.builder(Reason.RATE_LIMITED, "later")
                .retryable(false)
                .retryAfter(Duration.ofMillis(1_200))
                .build()));

        HttpResponse<String> response = worker.post(TEXT, STREAMED);

        assertThat(response.statusCode()).isEqualTo(429);
        assertThat(response.headers().firstValue("retry-after")).hasValue("2");
    }

    @Test
    void aStreamThatFailsInTheMiddleEndsWithAnErrorEventAndWithoutTheEndMark() throws Exception {
        backend.onStart(attempt -> attempt.accept().chunk(" upon").fail(Reason.SERVER_ERROR));

        List<String> events = worker.postRaw(TEXT, STREAMED).eventsToTheEnd();

        assertThat(WorkerFixture.json(events.get(0)).at("/choices/0/text").asText())
                .isEqualTo(" upon");
        assertThat(WorkerFixture.json(events.get(1)).at("/error/message").asText())
                .isNotBlank();
        assertThat(events).hasSize(2);
    }

    @ParameterizedTest
    @CsvSource({WHOLE_QUOTED, STREAMED_QUOTED})
    void aClientThatLeavesBeforeTheFirstTokenCancelsTheGeneration(String body) throws Exception {
        WorkerFixture.Connection client = worker.postRaw(TEXT, body);
        backend.takeAttempt(WorkerFixture.PATIENCE).accept();

        client.close();

        assertThat(worker.nextEnd().outcome().name()).isEqualTo("CANCELLED");
    }

    private static final String WHOLE_QUOTED = "'" + WHOLE + "'";
    private static final String STREAMED_QUOTED = "'" + STREAMED + "'";

    @Test
    void aSlowReaderPausesItsOwnSequenceOnly() throws Exception {
        String large = "x".repeat(1 << 16);
        int chunks = 512;
        WorkerFixture.Connection unread = worker.postRaw(TEXT, STREAMED);
        ScriptedAttempt slow = backend.takeAttempt(WorkerFixture.PATIENCE).accept();
        for (int i = 0; i < chunks; i++) {
            slow.chunk(large);
        }
        slow.finish(FinishReason.STOP).complete();

        backend.onStart(attempt -> answer(attempt, " upon"));
        assertThat(worker.post(TEXT, WHOLE).statusCode()).isEqualTo(200);
        assertThat(worker.nextEnd().outcome().name()).isEqualTo("COMPLETED");
        assertThat(slow.isEnded()).isFalse();
        unread.close(); // not left to the garbage collector, which might do it before
    }

    @Test
    void requestsOnOneConnectionAreAnsweredInTurnAlsoWhenTheyAreSentAhead() throws Exception {
        try (WorkerFixture.Connection client = worker.postRaw(TEXT, WHOLE)) {
            ScriptedAttempt first = backend.takeAttempt(WorkerFixture.PATIENCE);
            client.post(TEXT, WHOLE);
            assertThat(worker.get("/health").statusCode()).isEqualTo(200);
            answer(first, " first");
            answer(backend.takeAttempt(WorkerFixture.PATIENCE), " second");

            assertThat(client.body()).contains(" first");
            assertThat(client.body()).contains(" second");
        }
    }

    @Test
    void aBodyBeyondTheLimitIsRefused() throws Exception {
        String body = "{\"prompt\":\"" + "x".repeat(WorkerServer.MAX_BODY_BYTES) + "\"}";

        assertThat(worker.postRaw(TEXT, body).statusLine()).contains("413");
    }

    @Test
    void embeddingsThatNoBackendMakesAreUnsupported() throws Exception {
        HttpResponse<String> response = worker.post("/v1/embeddings", "{\"input\":\"Once\"}");

        assertThat(response.statusCode()).isBetween(400, 501);
        assertThat(WorkerFixture.json(response.body()).at("/error/message").asText())
                .contains("embeddings");
    }

    @Test
    void modelsAreThoseOfTheReplicas() throws Exception {
        JsonNode body = WorkerFixture.json(worker.get("/v1/models").body());

        assertThat(body.at("/data/0/id").asText()).isEqualTo("story");
    }

    @Test
    void healthFollowsTheReplicas() throws Exception {
        assertThat(worker.get("/health").statusCode()).isEqualTo(200);

        backend.health(new ProbeResult(ProbeResult.Status.UNHEALTHY, "engine stuck"));

        HttpResponse<String> response = worker.get("/health");
        assertThat(response.statusCode()).isEqualTo(503);
        assertThat(response.body()).contains("engine stuck");
    }

    @Test
    void metricsCountWhatHappened() throws Exception {
        backend.onStart(attempt -> answer(attempt, " upon"));
        worker.post(TEXT, WHOLE);
        worker.nextEnd();

        assertThat(worker.get("/metrics").body())
                .contains("lb_calls_total{outcome=\"completed\"} 1\n")
                .contains("lb_endpoint_attempts_total{endpoint=\"replica\",outcome=\"completed\"} 1\n")
                .contains("lb_endpoint_in_flight{endpoint=\"replica\"} 0\n");
    }

    @Test
    void unknownPathsAndMethodsAreToldInTheFormOfTheWire() throws Exception {
        assertThat(worker.get("/v2/nothing").statusCode()).isEqualTo(404);
        assertThat(worker.get(TEXT).statusCode()).isEqualTo(405);
        assertThat(worker.get("/v2/nothing").body()).contains("\"error\"");
    }

    @Test
    void aDrainingWorkerRefusesNewRequestsAndLetsRunningOnesEnd() throws Exception {
        try (WorkerFixture.Connection running = worker.postRaw(TEXT, WHOLE)) {
            ScriptedAttempt attempt = backend.takeAttempt(WorkerFixture.PATIENCE);
            Thread drain = worker.drainInBackground();

            worker.awaitRefusal();
            answer(attempt, " upon");

            assertThat(running.body()).contains(" upon");
            drain.join(WorkerFixture.PATIENCE.toMillis());
            assertThat(drain.isAlive()).isFalse();
        }
    }

    private static void answer(ScriptedAttempt attempt, String... pieces) {
        attempt.accept();
        for (String piece : pieces) {
            attempt.chunk(Delta.builder(0).id("cmpl-1").content(piece).build());
        }
        attempt.finish(FinishReason.STOP)
                .chunk(new UsageOnly(Usage.builder(7, pieces.length).build()))
                .complete();
    }
}
