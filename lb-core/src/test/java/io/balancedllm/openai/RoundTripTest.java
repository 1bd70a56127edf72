/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Reading and writing every recorded body gives the same JSON, apart from what {@link OpenAiJson} says. */
class RoundTripTest {
    /** Fields with a type: null equals absence. Under any other name a null must survive. */
    private static final Set<String> TYPED = Set.of(
            "content",
            "refusal",
            "reasoning",
            "reasoning_content",
            "tool_calls",
            "logprobs",
            "finish_reason",
            "usage",
            "prompt_tokens_details",
            "completion_tokens_details",
            "cached_tokens",
            "created_cache_tokens",
            "name");

    private static final Set<String> REFUSED_REQUESTS = Set.of(
            "err-n0",
            "err-negative-max",
            "err-empty-messages",
            "err-no-messages",
            "err-type",
            "err-temp",
            "err-stop-type",
            "err-json",
            "err-empty-body",
            "hdr-h2c-upgrade");

    @Test
    void everyRecordedRequestSurvivesReadingAndWriting() throws IOException {
        int checked = 0;
        for (Recordings.Recording recording : Recordings.all()) {
            String test = recording.name().substring(recording.name().indexOf('/') + 1);
            if (!(recording.isChat() || recording.isText())
                    || REFUSED_REQUESTS.contains(test)
                    || recording.latinRequest().isEmpty()
                    || test.equals("hdr-chunked-upload")) {
                continue;
            }
            byte[] written = OpenAiJson.writeRequest(OpenAiJson.readRequest(operation(recording), recording.request()));
            assertThat(normal(Json.read(written)))
                    .as(recording.name())
                    .isEqualTo(normal(Json.read(recording.request())));
            checked++;
        }
        assertThat(checked).isGreaterThan(150);
    }

    @Test
    void requestsAtFaultAreRefusedByTheNameOfTheField() {
        int checked = 0;
        for (Recordings.Recording recording : Recordings.all()) {
            String test = recording.name().substring(recording.name().indexOf('/') + 1);
            String field = Map.of(
                            "err-n0", "\"n\"",
                            "err-negative-max", "\"max_tokens\"",
                            "err-empty-messages", "\"messages\"",
                            "err-no-messages", "\"messages\"",
                            "err-type", "\"messages\"",
                            "err-temp", "\"temperature\"",
                            "err-stop-type", "\"stop\"",
                            "err-json", "no JSON",
                            "err-empty-body", "empty")
                    .get(test);
            if (field != null) {
                assertThatThrownBy(() -> OpenAiJson.readRequest(operation(recording), recording.request()))
                        .as(recording.name())
                        .isInstanceOf(LlmException.class)
                        .hasMessageContaining(field)
                        .extracting(failure -> ((LlmException) failure).reason())
                        .isEqualTo(LlmException.Reason.INVALID_REQUEST);
                checked++;
            }
        }
        assertThat(checked).isGreaterThan(25);
    }

    @Test
    void everyRecordedAnswerSurvivesReadingAndWriting() throws IOException {
        int checked = 0;
        for (Recordings.Recording recording : Recordings.all()) {
            if (!(recording.isChat() || recording.isText())
                    || recording.response().length == 0
                    || recording.status() != 200
                    || recording.isStream()) {
                continue;
            }
            byte[] written =
                    OpenAiJson.writeCompletion(OpenAiJson.readCompletion(operation(recording), recording.body()));
            assertThat(normal(Json.read(written))).as(recording.name()).isEqualTo(normal(Json.read(recording.body())));
            checked++;
        }
        assertThat(checked).isGreaterThan(100);
    }

    @Test
    void everyRecordedChunkSurvivesReadingAndWriting() throws IOException {
        int checked = 0;
        for (Recordings.Recording recording : Recordings.all()) {
            if (!(recording.isChat() || recording.isText())
                    || recording.response().length == 0
                    || !recording.isStream()) {
                continue;
            }
            for (String line :
                    new String(recording.body(), StandardCharsets.UTF_8).lines().toList()) {
                if (!line.startsWith("data: {") || line.contains("\"error\"")) {
                    continue;
                }
                String data = line.substring(6);
                List<CompletionChunk> chunks = OpenAiJson.readChunk(operation(recording), data);
                assertThat(chunks).as(recording.name()).hasSize(1);
                String written = OpenAiJson.writeChunk(operation(recording), chunks.get(0));
                assertThat(normal(Json.read(written))).as(recording.name()).isEqualTo(normal(Json.read(data)));
                checked++;
            }
        }
        assertThat(checked).isGreaterThan(1_000);
    }

    @Test
    void recordedEmbeddingsSurviveReadingAndWritingInBothForms() throws IOException {
        for (String name : List.of("llamacpp-b11434/embeddings-enabled", "llm-d-inference-sim-2026-08-20/embeddings")) {
            byte[] body = Recordings.named(name).body();
            Object original = normal(Json.read(body));
            byte[] numbers = OpenAiJson.writeEmbeddings(OpenAiJson.readEmbeddings(body), false);
            assertThat(normal(Json.read(numbers))).as(name).isEqualTo(original);
            byte[] base64 = OpenAiJson.writeEmbeddings(OpenAiJson.readEmbeddings(body), true);
            byte[] back = OpenAiJson.writeEmbeddings(OpenAiJson.readEmbeddings(base64), false);
            assertThat(back).as(name).isEqualTo(numbers);
        }
    }

    @Test
    void recordedModelListsAreRead() {
        assertThat(OpenAiJson.readModels(Recordings.named("vllm-0.32.0/models").body()))
                .containsExactly("tiny");
        assertThat(OpenAiJson.readModels(
                        Recordings.named("llamacpp-b11434/models").body()))
                .containsExactly("story");
        assertThat(OpenAiJson.readModels(OpenAiJson.writeModels(List.of("a", "b"), "me")))
                .containsExactly("a", "b");
    }

    private static Operation operation(Recordings.Recording recording) {
        return recording.isChat() ? Operation.CHAT : Operation.TEXT;
    }

    /** Typed nulls gone, a single stop string a list, numbers by their float value. */
    static @Nullable Object normal(@Nullable Object value) {
        if (value instanceof Map<?, ?> map) {
            Map<Object, @Nullable Object> normal = new LinkedHashMap<>();
            map.forEach((name, inner) -> {
                if (inner != null || !TYPED.contains(name)) {
                    normal.put(name, name.equals("stop") && inner instanceof String ? List.of(inner) : normal(inner));
                }
            });
            return normal;
        }
        if (value instanceof List<?> list) {
            List<@Nullable Object> normal = new ArrayList<>();
            list.forEach(inner -> normal.add(normal(inner)));
            return normal;
        }
        return value instanceof Number number ? (Object) number.floatValue() : value;
    }
}
