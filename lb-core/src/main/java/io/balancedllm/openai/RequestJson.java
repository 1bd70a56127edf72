/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.SamplingOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Completion and embedding requests. */
final class RequestJson {
    private RequestJson() {}

    static CompletionRequest read(Operation operation, byte[] body) {
        Map<String, @Nullable Object> json = parse(body);
        Fields fields = Fields.strict(json, "");
        CompletionRequest.Builder request = CompletionRequest.builder();
        set(fields, "model", fields.word("model"), request::model);
        if (operation == Operation.CHAT) {
            readMessages(fields).forEach(request::message);
        } else {
            request.prompt(readPrompt(fields, "prompt"));
        }
        request.sampling(readSampling(fields));
        set(fields, "max_tokens", fields.integer("max_tokens", 0), request::maxTokens);
        checkMaxCompletionTokens(fields);
        List<String> stop = fields.take("stop", "a string or a list of strings", RequestJson::stop);
        set(fields, "stop", stop, request::stop);
        set(fields, "n", fields.integer("n", 1), request::n);
        readLogprobs(operation, fields, request);
        List<?> tools = fields.list("tools");
        for (int i = 0; tools != null && i < tools.size(); i++) {
            Map<String, @Nullable Object> tool = Fields.asObject(tools.get(i));
            if (tool == null) {
                throw fields.refused("tools[" + i + "]", "must be an object, got " + Fields.describe(tools.get(i)));
            }
            request.tool(tool);
        }
        set(
                fields,
                "tool_choice",
                fields.take("tool_choice", "a string or an object", RequestJson::stringOrObject),
                request::toolChoice);
        set(fields, "response_format", fields.object("response_format"), request::responseFormat);
        return request.extra(fields.rest()).build();
    }

    private static Map<String, @Nullable Object> parse(byte[] body) {
        if (body.length > OpenAiJson.MAX_BODY_BYTES) {
            throw new LlmException(
                    Reason.INVALID_REQUEST,
                    "the request body has " + body.length + " bytes, the limit is " + OpenAiJson.MAX_BODY_BYTES);
        }
        Object json;
        try {
            json = Json.read(body);
        } catch (IOException e) {
            throw LlmException.builder(
                            Reason.INVALID_REQUEST, "the request body is no JSON object: " + OpenAiJson.why(e))
                    .cause(e)
                    .build();
        }
        Map<String, @Nullable Object> object = Fields.asObject(json);
        if (object == null) {
            throw new LlmException(
                    Reason.INVALID_REQUEST, "the request body must be a JSON object, got " + Fields.describe(json));
        }
        return object;
    }

    private static <T> void set(Fields fields, String name, @Nullable T value, Consumer<T> setter) {
        if (value != null) {
            try {
                setter.accept(value);
            } catch (IllegalArgumentException e) {
                throw fields.refused(name, "is not acceptable: " + e.getMessage());
            }
        }
    }

    private static List<Message> readMessages(Fields fields) {
        List<?> list = fields.list("messages");
        if (list == null || list.isEmpty()) {
            throw fields.refused("messages", list == null ? "is missing" : "must not be empty");
        }
        List<Message> messages = new ArrayList<>(list.size());
        for (int i = 0; i < list.size(); i++) {
            Map<String, @Nullable Object> message = Fields.asObject(list.get(i));
            if (message == null) {
                throw fields.refused("messages[" + i + "]", "must be an object, got " + Fields.describe(list.get(i)));
            }
            messages.add(MessageJson.readAsked(message, "messages[" + i + "]."));
        }
        return messages;
    }

    private static Prompt readPrompt(Fields fields, String name) {
        Prompt prompt = fields.take(
                name,
                "a string, a list of strings, a list of token ids or a list of lists of token ids, none empty",
                RequestJson::prompt);
        if (prompt == null) {
            throw fields.refused(name, "is missing");
        }
        return prompt;
    }

    private static @Nullable Prompt prompt(Object value) {
        if (value instanceof String text) {
            return new Prompt.Text(text);
        }
        if (!(value instanceof List<?> list) || list.isEmpty()) {
            return null;
        }
        if (list.get(0) instanceof String) {
            List<String> texts = strings(list);
            return texts == null ? null : new Prompt.Texts(texts);
        }
        int[] single = ids(list);
        if (single != null) {
            return new Prompt.Tokens(single);
        }
        List<int[]> sequences = new ArrayList<>(list.size());
        for (Object element : list) {
            int[] ids = element instanceof List<?> inner && !inner.isEmpty() ? ids(inner) : null;
            if (ids == null) {
                return null;
            }
            sequences.add(ids);
        }
        return new Prompt.Tokens(sequences, false);
    }

    private static int @Nullable [] ids(List<?> list) {
        int[] ids = new int[list.size()];
        for (int i = 0; i < ids.length; i++) {
            Long id = Fields.asLong(list.get(i));
            if (id == null || id < 0 || id > Integer.MAX_VALUE) {
                return null;
            }
            ids[i] = id.intValue();
        }
        return ids;
    }

    private static @Nullable List<String> strings(List<?> list) {
        List<String> strings = new ArrayList<>(list.size());
        for (Object element : list) {
            if (!(element instanceof String text)) {
                return null;
            }
            strings.add(text);
        }
        return strings;
    }

    private static @Nullable List<String> stop(Object value) {
        if (value instanceof String text) {
            return List.of(text);
        }
        return value instanceof List<?> list ? strings(list) : null;
    }

    private static @Nullable Object stringOrObject(Object value) {
        return value instanceof String || value instanceof Map<?, ?> ? value : null;
    }

    private static SamplingOptions readSampling(Fields fields) {
        SamplingOptions.Builder sampling = SamplingOptions.builder();
        set(fields, "temperature", fields.number("temperature"), sampling::temperature);
        set(fields, "top_p", fields.number("top_p"), sampling::topP);
        set(fields, "top_k", fields.integer("top_k", -1), sampling::topK);
        set(fields, "min_p", fields.number("min_p"), sampling::minP);
        set(fields, "repetition_penalty", fields.number("repetition_penalty"), sampling::repetitionPenalty);
        set(fields, "presence_penalty", fields.number("presence_penalty"), sampling::presencePenalty);
        set(fields, "frequency_penalty", fields.number("frequency_penalty"), sampling::frequencyPenalty);
        set(fields, "seed", fields.longInteger("seed"), sampling::seed);
        return sampling.build();
    }

    /** Stays in extra, where {@link CompletionRequest#maxTokens} finds it and a writer writes it under its own name. */
    private static void checkMaxCompletionTokens(Fields fields) {
        Integer limit = fields.integer("max_completion_tokens", 0);
        if (limit != null) {
            fields.put("max_completion_tokens", (long) limit);
        }
    }

    private static void readLogprobs(Operation operation, Fields fields, CompletionRequest.Builder request) {
        if (operation == Operation.TEXT) {
            set(fields, "logprobs", fields.integer("logprobs", 0), request::topLogprobs);
            if (fields.peek("top_logprobs") != null) {
                throw fields.refused("top_logprobs", "belongs to chats; a plain prompt has a number in logprobs");
            }
            fields.drop("top_logprobs");
            return;
        }
        boolean asked = Boolean.TRUE.equals(fields.bool("logprobs"));
        Integer alternatives = fields.integer("top_logprobs", 0);
        if (asked) {
            request.topLogprobs(alternatives == null ? 0 : alternatives);
        } else if (alternatives != null && alternatives > 0) {
            throw fields.refused("top_logprobs", "needs \"logprobs\": true");
        }
    }

    static Map<String, @Nullable Object> write(CompletionRequest request) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        request.model().ifPresent(model -> json.put("model", model));
        if (request.prompt() instanceof Prompt.Chat chat) {
            json.put(
                    "messages", chat.messages().stream().map(MessageJson::write).toList());
        } else {
            json.put("prompt", writePrompt(request.prompt()));
        }
        SamplingOptions sampling = request.sampling();
        sampling.temperature().ifPresent(value -> json.put("temperature", value));
        sampling.topP().ifPresent(value -> json.put("top_p", value));
        sampling.topK().ifPresent(value -> json.put("top_k", value));
        sampling.minP().ifPresent(value -> json.put("min_p", value));
        sampling.repetitionPenalty().ifPresent(value -> json.put("repetition_penalty", value));
        sampling.presencePenalty().ifPresent(value -> json.put("presence_penalty", value));
        sampling.frequencyPenalty().ifPresent(value -> json.put("frequency_penalty", value));
        sampling.seed().ifPresent(value -> json.put("seed", value));
        maxTokens(request).ifPresent(limit -> json.put("max_tokens", limit));
        if (!request.stop().isEmpty()) {
            json.put("stop", request.stop());
        }
        if (request.n() != 1) {
            json.put("n", request.n());
        }
        request.topLogprobs().ifPresent(alternatives -> {
            if (request.operation() == Operation.TEXT) {
                json.put("logprobs", alternatives);
            } else {
                json.put("logprobs", true);
                if (alternatives > 0) {
                    json.put("top_logprobs", alternatives);
                }
            }
        });
        if (!request.tools().isEmpty()) {
            json.put("tools", request.tools());
        }
        request.toolChoice().ifPresent(choice -> json.put("tool_choice", choice));
        request.responseFormat().ifPresent(format -> json.put("response_format", format));
        Json.merge(json, request.extra());
        return json;
    }

    /** {@return the limit that is to go under {@code max_tokens}, not the one extra has under the newer name} */
    private static OptionalInt maxTokens(CompletionRequest request) {
        return request.extra().containsKey("max_completion_tokens")
                ? request.newBuilder().extra(Map.of()).build().maxTokens()
                : request.maxTokens();
    }

    private static Object writePrompt(Prompt prompt) {
        if (prompt instanceof Prompt.Text text) {
            return text.text();
        }
        if (prompt instanceof Prompt.Texts texts) {
            return texts.texts();
        }
        if (prompt instanceof Prompt.Tokens tokens) {
            return tokens.single() ? tokens.sequences().get(0) : tokens.sequences();
        }
        throw new IllegalArgumentException("a chat is no plain prompt");
    }

    static EmbeddingRequest readEmbedding(byte[] body) {
        Fields fields = Fields.strict(parse(body), "");
        EmbeddingRequest.Builder request = EmbeddingRequest.builder(readPrompt(fields, "input"));
        set(fields, "model", fields.word("model"), request::model);
        set(fields, "dimensions", fields.integer("dimensions", 1), request::dimensions);
        return request.extra(fields.rest()).build();
    }

    static Map<String, @Nullable Object> writeEmbedding(EmbeddingRequest request) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        request.model().ifPresent(model -> json.put("model", model));
        json.put("input", writePrompt(request.input()));
        request.dimensions().ifPresent(dimensions -> json.put("dimensions", dimensions));
        Json.merge(json, request.extra());
        return json;
    }
}
