/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.Choice;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionChunk.Delta;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Role;
import io.balancedllm.completion.ToolCall;
import io.balancedllm.completion.ToolCallDelta;
import io.balancedllm.completion.Usage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Events of a streamed answer. */
final class ChunkJson {
    private ChunkJson() {}

    /**
     * {@return the chunks of one event; none for {@code null}, which llama.cpp sends first for several prompts}
     *
     * @throws LlmException the error the event carries, or PROTOCOL_ERROR when it is no JSON object
     */
    static List<CompletionChunk> read(Operation operation, String data) {
        Object value;
        try {
            value = Json.read(data);
        } catch (IOException e) {
            throw OpenAiJson.protocol("an event of the stream is no JSON: " + OpenAiJson.why(e), e);
        }
        if (value == null) {
            return List.of();
        }
        Map<String, @Nullable Object> json = Fields.asObject(value);
        if (json == null) {
            throw OpenAiJson.protocol("an event of the stream is no JSON object but " + Fields.describe(value));
        }
        LlmException error = ErrorJson.inBand(json);
        if (error != null) {
            throw error;
        }
        if (!(json.get("choices") instanceof List<?> choices)
                || !choices.stream().allMatch(ChunkJson::isChoice)) {
            return List.of(new CompletionChunk.Raw(json));
        }
        Fields envelope = Fields.lenient(json);
        Usage usage = UsageJson.take(envelope);
        if (choices.isEmpty()) {
            if (usage == null) {
                return List.of(new CompletionChunk.Raw(json));
            }
            envelope.drop("choices");
            envelope.dropIf("object", object(operation));
            return List.of(new CompletionChunk.UsageOnly(usage, envelope.rest()));
        }
        return deltas(operation, envelope, choices, usage);
    }

    private static boolean isChoice(@Nullable Object element) {
        Map<String, @Nullable Object> choice = Fields.asObject(element);
        if (choice == null) {
            return false;
        }
        Long index = Fields.asLong(choice.get("index"));
        return index == null ? choice.get("index") == null : index >= 0 && index <= Integer.MAX_VALUE;
    }

    private static List<CompletionChunk> deltas(
            Operation operation, Fields envelope, List<?> choices, @Nullable Usage usage) {
        String id = envelope.string("id");
        String model = envelope.string("model");
        envelope.drop("choices");
        envelope.dropIf("object", object(operation));
        List<CompletionChunk> chunks = new ArrayList<>(choices.size());
        for (int i = 0; i < choices.size(); i++) {
            Map<String, @Nullable Object> choice = Fields.asObject(choices.get(i));
            Fields fields = Fields.lenient(choice == null ? new LinkedHashMap<>() : choice);
            Integer index = fields.integer("index", 0);
            Delta.Builder delta =
                    Delta.builder(index == null ? i : index).id(id).model(model);
            if (operation == Operation.CHAT) {
                readDelta(fields, delta);
            } else {
                delta.content(fields.string("text"));
            }
            String finish = fields.word("finish_reason");
            delta.finishReason(finish == null ? null : new FinishReason(finish));
            delta.logprobs(LogprobsJson.take(operation, fields));
            if (i == choices.size() - 1) {
                delta.usage(usage);
            }
            Map<String, @Nullable Object> extra = envelope.rest();
            if (!fields.rest().isEmpty()) {
                extra = new LinkedHashMap<>(extra);
                extra.put("choices", List.of(fields.rest()));
            }
            chunks.add(delta.extra(extra).build());
        }
        return chunks;
    }

    private static void readDelta(Fields choice, Delta.Builder delta) {
        Map<String, @Nullable Object> json = choice.object("delta");
        if (json == null) {
            return;
        }
        Fields fields = Fields.lenient(json);
        String role = fields.word("role");
        delta.role(role == null ? null : new Role(role));
        delta.content(text(fields, "content"));
        delta.refusal(text(fields, "refusal"));
        String reasoning = MessageJson.readReasoning(fields);
        if (reasoning != null && reasoning.isEmpty()) {
            MessageJson.keepEmptyReasoning(fields);
        }
        delta.reasoning(reasoning);
        delta.toolCalls(MessageJson.readDeltas(fields));
        if (!fields.rest().isEmpty()) {
            choice.put("delta", fields.rest());
        }
    }

    /** {@return the text, taken; an empty one leaves its mark, for typed it looks the same as none} */
    private static @Nullable String text(Fields fields, String name) {
        String text = fields.string(name);
        if (text != null && text.isEmpty()) {
            fields.put(name, "");
        }
        return text;
    }

    static Map<String, @Nullable Object> write(Operation operation, CompletionChunk chunk) {
        if (chunk instanceof CompletionChunk.Raw raw) {
            return raw.json();
        }
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        if (chunk instanceof CompletionChunk.UsageOnly usage) {
            CompletionJson.envelope(json, usage.extra(), object(operation));
            json.put("choices", List.of());
            json.put("usage", UsageJson.write(usage.value(), true));
            Json.merge(json, usage.extra());
            return json;
        }
        Delta delta = (Delta) chunk;
        delta.id().ifPresent(id -> json.put("id", id));
        CompletionJson.envelope(json, delta.extra(), object(operation));
        delta.model().ifPresent(model -> json.put("model", model));
        json.put("choices", List.of(writeChoice(operation, delta)));
        delta.usage().ifPresent(usage -> json.put("usage", UsageJson.write(usage, true)));
        Json.merge(json, delta.extra());
        return json;
    }

    private static Map<String, @Nullable Object> writeChoice(Operation operation, Delta delta) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("index", delta.index());
        if (operation == Operation.CHAT) {
            json.put("delta", writeDelta(delta));
        } else {
            json.put("text", delta.text());
        }
        json.put(
                "logprobs",
                delta.logprobs()
                        .map(found -> LogprobsJson.write(operation, found))
                        .orElse(null));
        json.put("finish_reason", delta.finishReason().map(FinishReason::value).orElse(null));
        return json;
    }

    private static Map<String, @Nullable Object> writeDelta(Delta delta) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        delta.role().ifPresent(role -> json.put("role", role.value()));
        if (!delta.text().isEmpty()) {
            json.put("content", delta.text());
        }
        if (!delta.refusal().isEmpty()) {
            json.put("refusal", delta.refusal());
        }
        if (!delta.reasoning().isEmpty()) {
            json.put(MessageJson.reasoningField(deltaExtra(delta)), delta.reasoning());
        }
        if (!delta.toolCalls().isEmpty()) {
            json.put(
                    "tool_calls",
                    delta.toolCalls().stream().map(MessageJson::writeDelta).toList());
        }
        return json;
    }

    private static Map<String, @Nullable Object> deltaExtra(Delta delta) {
        if (delta.extra().get("choices") instanceof List<?> choices && choices.size() == 1) {
            Map<String, @Nullable Object> choice = Fields.asObject(choices.get(0));
            Map<String, @Nullable Object> extra = choice == null ? null : Fields.asObject(choice.get("delta"));
            if (extra != null) {
                return extra;
            }
        }
        return Map.of();
    }

    private static String object(Operation operation) {
        return operation == Operation.CHAT ? "chat.completion.chunk" : "text_completion";
    }

    /** {@return a whole answer as the chunks of a stream: one for each choice, the counts on the last} */
    static List<CompletionChunk> of(Completion completion) {
        List<CompletionChunk> chunks = new ArrayList<>(completion.choices().size());
        int last = completion.choices().size() - 1;
        for (int i = 0; i <= last; i++) {
            Choice choice = completion.choices().get(i);
            Map<String, @Nullable Object> choiceExtra = new LinkedHashMap<>(choice.extra());
            Message message = choice.message();
            if (!message.extra().isEmpty()) {
                choiceExtra.put("delta", message.extra());
            }
            Map<String, @Nullable Object> extra = new LinkedHashMap<>(completion.extra());
            extra.remove("object");
            if (!choiceExtra.isEmpty()) {
                extra.put("choices", List.of(choiceExtra));
            }
            chunks.add(Delta.builder(choice.index())
                    .id(completion.id().orElse(null))
                    .model(completion.model().orElse(null))
                    .role(completion.operation() == Operation.CHAT ? message.role() : null)
                    .content(message.text())
                    .reasoning(message.reasoning().orElse(null))
                    .refusal(message.refusal().orElse(null))
                    .toolCalls(toolCalls(message))
                    .finishReason(choice.finishReason().orElse(null))
                    .logprobs(choice.logprobs().orElse(null))
                    .usage(i == last ? completion.usage().orElse(null) : null)
                    .extra(extra)
                    .build());
        }
        return chunks;
    }

    private static List<ToolCallDelta> toolCalls(Message message) {
        List<ToolCallDelta> deltas = new ArrayList<>(message.toolCalls().size());
        for (ToolCall call : message.toolCalls()) {
            deltas.add(new ToolCallDelta(
                    deltas.size(),
                    call.id().isEmpty() ? null : call.id(),
                    call.name(),
                    call.arguments(),
                    call.extra()));
        }
        return deltas;
    }
}
