/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionCollector;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.ProbeResult.Status;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Every recorded response of a generation, fed to a real socket as it was received, ends as it should. */
class RecordingsReplayTest {
    /** How recordings end that neither complete nor fail as their status alone says. */
    private static final Map<String, Reason> ENDS = Map.ofEntries(
            Map.entry("vllm-0.32.0/term-midstream", Reason.SERVER_ERROR), // error event, then [DONE]
            Map.entry("vllm-0.32.0/term1-midstream", Reason.TRUNCATED),
            Map.entry("vllm-0.32.0/kill-midstream", Reason.TRUNCATED),
            Map.entry("llamacpp-b11434/term-midstream", Reason.TRUNCATED), // a comment is the last it says
            Map.entry("llamacpp-b11434/kill-midstream", Reason.TRUNCATED),
            Map.entry("vllm-0.32.0/cancel-stream", Reason.TRUNCATED),
            Map.entry("llamacpp-b11434/cancel-stream", Reason.TRUNCATED),
            Map.entry("llm-d-inference-sim-2026-08-20/cancel-stream", Reason.TRUNCATED),
            Map.entry("vllm-0.32.0/term1-shutdown-timeout-20-then-request", Reason.UNAVAILABLE), // draining
            Map.entry("vllm-0.32.0/chat-on-pooling-server", Reason.UNSUPPORTED),
            Map.entry("vllm-0.32.0/chat-tools-auto-no-parser", Reason.UNSUPPORTED),
            Map.entry("vllm-0.32.0/chat-tools-named-no-parser", Reason.UNSUPPORTED),
            Map.entry("vllm-0.32.0/err-image", Reason.UNSUPPORTED),
            Map.entry("llamacpp-b11434/err-image", Reason.UNSUPPORTED), // a 500
            Map.entry("vllm-0.32.0/err-max-too-large", Reason.CONTEXT_LENGTH_EXCEEDED),
            Map.entry("llm-d-inference-sim-2026-08-20/err-max-too-large", Reason.CONTEXT_LENGTH_EXCEEDED),
            Map.entry("llm-d-inference-sim-2026-08-20/inject-context_length", Reason.CONTEXT_LENGTH_EXCEEDED),
            Map.entry("transformers-serve-5.19.0/err-model", Reason.MODEL_NOT_FOUND), // a 400
            Map.entry("llm-d-inference-sim-2026-08-20/inject-server_error", Reason.OVERLOADED));

    private static final Map<Integer, Reason> BY_STATUS = Map.ofEntries(
            Map.entry(400, Reason.INVALID_REQUEST),
            Map.entry(401, Reason.UNAUTHORIZED),
            Map.entry(404, Reason.MODEL_NOT_FOUND),
            Map.entry(405, Reason.UNSUPPORTED),
            Map.entry(408, Reason.TIMEOUT),
            Map.entry(413, Reason.INVALID_REQUEST),
            Map.entry(422, Reason.INVALID_REQUEST),
            Map.entry(429, Reason.RATE_LIMITED),
            Map.entry(500, Reason.SERVER_ERROR),
            Map.entry(503, Reason.UNAVAILABLE),
            Map.entry(529, Reason.OVERLOADED));

    @Test
    void everyRecordedGenerationEndsAsItShould() throws Exception {
        List<String> surprises = new ArrayList<>();
        Set<String> checked = new HashSet<>();
        for (Recordings.Recording recording : Recordings.all()) {
            if (!recording.isChat() && !recording.isText()) {
                continue;
            }
            checked.add(recording.name());
            String expected = expected(recording);
            RecordingSink sink = replay(recording);
            String found = sink.awaitEnd();
            LlmException failure = sink.failure;
            if (failure != null) {
                found = failure.reason().toString();
            }
            if (!found.equals(expected)) {
                surprises.add(recording + ": expected " + expected + ", found " + found + " " + failure);
            }
        }
        assertThat(surprises).isEmpty();
        Set<String> missing = new HashSet<>(ENDS.keySet());
        missing.removeAll(checked);
        assertThat(missing).isEmpty();
        assertThat(checked).hasSizeGreaterThan(240);
    }

    @Test
    void everyRecordedAnswerOfHealthIsJudged() throws Exception {
        int checked = 0;
        for (Recordings.Recording recording : Recordings.all()) {
            if (!recording.name().contains("health")
                    || recording.latinResponse().isEmpty()) {
                continue;
            }
            try (ScriptedServer server = ScriptedServer.always(recording.response());
                    OpenAiBackend backend = OpenAiBackend.at(server.url())) {
                assertThat(BackendTesting.probe(backend).status())
                        .as(recording.name())
                        .isEqualTo(recording.status() == 503 ? Status.WARMING : Status.READY);
            }
            checked++;
        }
        assertThat(checked).isGreaterThan(10);
    }

    @Test
    void everyRecordedEmbeddingIsReadOrRefusedTyped() throws Exception {
        int checked = 0;
        for (Recordings.Recording recording : Recordings.all()) {
            if (!recording.name().contains("/embeddings")) {
                continue;
            }
            try (ScriptedServer server = ScriptedServer.always(recording.response());
                    OpenAiBackend backend = OpenAiBackend.at(server.url())) {
                CompletableFuture<Embeddings> answer =
                        backend.embed(Attempt.of(EmbeddingRequest.of("x"))).toCompletableFuture();
                if (recording.status() == 200) {
                    assertThat(answer.get(20, TimeUnit.SECONDS).vectors())
                            .as(recording.name())
                            .isNotEmpty()
                            .allMatch(vector -> vector.length > 0);
                } else {
                    assertThat(answer)
                            .as(recording.name())
                            .failsWithin(20, TimeUnit.SECONDS)
                            .withThrowableOfType(ExecutionException.class)
                            .withCauseInstanceOf(LlmException.class);
                }
            }
            checked++;
        }
        assertThat(checked).isGreaterThan(6);
    }

    @Test
    void aStreamAddsUpToTheAnswerInOnePiece() throws Exception {
        for (String engine : List.of("vllm-0.32.0/", "llamacpp-b11434/", "transformers-serve-5.19.0/")) {
            Recordings.Recording whole = Recordings.named(engine + "chat");
            Completion expected = OpenAiJson.readCompletion(Operation.CHAT, whole.body());
            CompletionCollector collector = new CompletionCollector(Operation.CHAT);
            replay(Recordings.named(engine + "chat-stream-usage")).chunks.forEach(collector::add);
            assertThat(collector.text()).as(engine).isEqualTo(expected.text());
            assertThat(collector.completion().usage()).as(engine).isPresent();
        }
    }

    private static RecordingSink replay(Recordings.Recording recording) throws IOException, InterruptedException {
        try (ScriptedServer server = ScriptedServer.always(recording.response());
                OpenAiBackend backend = OpenAiBackend.at(server.url())) {
            RecordingSink sink = new RecordingSink();
            backend.start(Attempt.of(request(recording)), sink).request(Integer.MAX_VALUE);
            sink.awaitEnd();
            return sink;
        }
    }

    private static CompletionRequest request(Recordings.Recording recording) {
        try {
            return OpenAiJson.readRequest(recording.isChat() ? Operation.CHAT : Operation.TEXT, recording.request());
        } catch (LlmException e) {
            return recording.isChat() ? CompletionRequest.builder().user("x").build() : CompletionRequest.of("x");
        }
    }

    private static String expected(Recordings.Recording recording) {
        Reason named = ENDS.get(recording.name());
        if (named != null) {
            return named.toString();
        }
        if (recording.latinResponse().isEmpty()) {
            return Reason.UNAVAILABLE.toString();
        }
        if (recording.name().contains("/err-too-long") && recording.status() == 400) {
            return Reason.CONTEXT_LENGTH_EXCEEDED.toString();
        }
        if (recording.status() == 404 && recording.latinResponse().contains("X-Return-Error")) {
            return Reason.MODEL_NOT_FOUND.toString();
        }
        Reason failure = BY_STATUS.get(recording.status());
        return failure == null ? "completed" : failure.toString();
    }
}
