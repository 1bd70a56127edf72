/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The bodies of a well-behaved OpenAI-compatible server. A token is a piece of text, or a word of the prompt. */
final class OpenAiAnswers {
    static final String DONE = "[DONE]";

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final TypeReference<Map<String, @Nullable Object>> OBJECT = new TypeReference<>() {};
    private static final Pattern SPACES = Pattern.compile("\\s+");
    private static final long CREATED = 1_767_225_600L;
    private static final int DEFAULT_DIMENSION = 8;

    private OpenAiAnswers() {}

    /** A well-behaved answer to anything; {@code models} empty serves whatever is asked for. */
    static MockResponse answer(ServedRequest request, List<String> models, List<String> pieces) {
        String path = request.path();
        if (request.method().equals("GET")) {
            return switch (path) {
                case "/health", "/v1/health" -> MockResponse.json(200, "{\"status\":\"ok\"}");
                case "/v1/models" -> MockResponse.json(200, models(models.isEmpty() ? List.of("mock") : models));
                default -> notFound(request);
            };
        }
        boolean known =
                path.equals("/v1/chat/completions") || path.equals("/v1/completions") || path.equals("/v1/embeddings");
        if (!request.method().equals("POST") || !known) {
            return notFound(request);
        }
        Map<String, @Nullable Object> body = parse(request.body());
        if (body == null) {
            return MockResponse.error(400, "the body is not a JSON object", "invalid_request_error");
        }
        String model = body.get("model") instanceof String named ? named : models.isEmpty() ? "mock" : models.get(0);
        if (!models.isEmpty() && !models.contains(model)) {
            return MockResponse.error(404, "The model `" + model + "` does not exist.", "NotFoundError");
        }
        return path.equals("/v1/embeddings")
                ? embeddings(body, model)
                : completion(path.equals("/v1/chat/completions"), body, model, pieces);
    }

    private static MockResponse notFound(ServedRequest request) {
        return MockResponse.error(404, "nothing at " + request.method() + " " + request.path(), "NotFoundError");
    }

    private static MockResponse completion(
            boolean chat, Map<String, @Nullable Object> body, String model, List<String> pieces) {
        Object prompt = body.get(chat ? "messages" : "prompt");
        if (prompt == null || (chat && (!(prompt instanceof List<?> messages) || messages.isEmpty()))) {
            return MockResponse.error(
                    400, "a " + (chat ? "chat needs messages" : "completion needs a prompt"), "invalid_request_error");
        }
        boolean streamed = Boolean.TRUE.equals(body.get("stream"));
        if (!streamed && body.get("stream_options") != null) {
            return MockResponse.error(
                    400, "Stream options can only be defined when `stream=True`.", "invalid_request_error");
        }
        int limit = body.get("max_tokens") instanceof Integer number
                ? number
                : body.get("max_completion_tokens") instanceof Integer newer ? newer : Integer.MAX_VALUE;
        List<String> sent = pieces.subList(0, Math.max(0, Math.min(limit, pieces.size())));
        Answer answer = new Answer(
                chat,
                model,
                sent,
                sent.size() < pieces.size() ? "length" : "stop",
                body.get("n") instanceof Integer n ? Math.max(1, n) : 1,
                words(prompt));
        if (!streamed) {
            return MockResponse.json(200, write(answer.whole()));
        }
        boolean usage = body.get("stream_options") instanceof Map<?, ?> options
                && Boolean.TRUE.equals(options.get("include_usage"));
        return answer.stream(usage);
    }

    static MockResponse stream(boolean chat, String model, List<String> pieces) {
        return new Answer(chat, model, pieces, "stop", 1, 0).stream(false);
    }

    static String error(String message, String type, int code) {
        Map<String, @Nullable Object> error = object("message", message, "type", type, "param", null, "code", code);
        return write(object("error", error));
    }

    private static String models(List<String> models) {
        List<Object> data = new ArrayList<>();
        models.forEach(model -> data.add(
                object("id", model, "object", "model", "created", CREATED, "owned_by", "balancedllm-testkit")));
        return write(object("object", "list", "data", data));
    }

    private static MockResponse embeddings(Map<String, @Nullable Object> body, String model) {
        Object input = body.get("input");
        if (input == null) {
            return MockResponse.error(400, "embeddings need an input", "invalid_request_error");
        }
        boolean many = input instanceof List<?> list && !list.isEmpty() && !(list.get(0) instanceof Number);
        List<?> inputs = many && input instanceof List<?> list ? list : List.of(input);
        int dimension = body.get("dimensions") instanceof Integer asked ? asked : DEFAULT_DIMENSION;
        boolean base64 = "base64".equals(body.get("encoding_format"));
        List<Object> data = new ArrayList<>();
        for (Object text : inputs) {
            List<Float> vector = vector(String.valueOf(text), dimension);
            data.add(
                    object("object", "embedding", "index", data.size(), "embedding", base64 ? base64(vector) : vector));
        }
        int tokens = words(input);
        return MockResponse.json(
                200,
                write(object(
                        "object",
                        "list",
                        "data",
                        data,
                        "model",
                        model,
                        "usage",
                        object("prompt_tokens", tokens, "total_tokens", tokens))));
    }

    /** A unit vector that depends on the text alone. */
    private static List<Float> vector(String text, int dimension) {
        double[] raw = new Random(text.hashCode()).doubles(dimension, -1, 1).toArray();
        double norm = 0;
        for (double value : raw) {
            norm += value * value;
        }
        List<Float> vector = new ArrayList<>();
        for (double value : raw) {
            vector.add((float) (value / Math.sqrt(norm)));
        }
        return vector;
    }

    private static String base64(List<Float> vector) {
        ByteBuffer bytes = ByteBuffer.allocate(vector.size() * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        vector.forEach(bytes::putFloat);
        return Base64.getEncoder().encodeToString(bytes.array());
    }

    private static int words(Object prompt) {
        if (prompt instanceof List<?> list) {
            return list.stream().mapToInt(OpenAiAnswers::words).sum();
        } else if (prompt instanceof Map<?, ?> map) {
            Object content = map.get("content");
            Object text = map.get("text");
            return (content == null ? 0 : words(content)) + (text == null ? 0 : words(text));
        } else if (prompt instanceof String text && text.isBlank()) {
            return 0;
        }
        return prompt instanceof String text ? SPACES.split(text.strip(), -1).length : 1;
    }

    static @Nullable Map<String, @Nullable Object> parse(String json) {
        try {
            return MAPPER.readValue(json, OBJECT);
        } catch (JsonProcessingException e) {
            return null; // the caller says so to the client
        }
    }

    private static String write(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("maps and strings are always JSON", e);
        }
    }

    private static Map<String, @Nullable Object> object(@Nullable Object... namesAndValues) {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            map.put(String.valueOf(namesAndValues[i]), namesAndValues[i + 1]);
        }
        return map;
    }

    /** One answer, in either form. */
    private record Answer(
            boolean chat, String model, List<String> pieces, String finishReason, int n, int promptTokens) {
        Map<String, @Nullable Object> whole() {
            List<Object> choices = new ArrayList<>();
            String text = String.join("", pieces);
            for (int i = 0; i < n; i++) {
                choices.add(
                        chat
                                ? object(
                                        "index",
                                        i,
                                        "message",
                                        object("role", "assistant", "content", text),
                                        "finish_reason",
                                        finishReason)
                                : object("index", i, "text", text, "finish_reason", finishReason));
            }
            Map<String, @Nullable Object> body = head(chat ? "chat.completion" : "text_completion", choices);
            body.put("usage", usage());
            return body;
        }

        MockResponse stream(boolean withUsage) {
            List<String> events = new ArrayList<>();
            for (int i = 0; chat && i < n; i++) {
                events.add(event(i, object("role", "assistant", "content", ""), "", null));
            }
            for (String piece : pieces) {
                for (int i = 0; i < n; i++) {
                    events.add(event(i, object("content", piece), piece, null));
                }
            }
            for (int i = 0; i < n; i++) {
                events.add(event(i, object(), "", finishReason));
            }
            if (withUsage) {
                Map<String, @Nullable Object> last = head(streamObject(), List.of());
                last.put("usage", usage());
                events.add(write(last));
            }
            events.add(DONE);
            return MockResponse.sse().data(events);
        }

        private String event(
                int index, Map<String, @Nullable Object> delta, String text, @Nullable String finishReasonOrNull) {
            Map<String, @Nullable Object> choice =
                    chat ? object("index", index, "delta", delta) : object("index", index, "text", text);
            choice.put("finish_reason", finishReasonOrNull);
            return write(head(streamObject(), List.of(choice)));
        }

        private String streamObject() {
            return chat ? "chat.completion.chunk" : "text_completion";
        }

        private Map<String, @Nullable Object> head(String object, List<?> choices) {
            return object(
                    "id",
                    chat ? "chatcmpl-mock" : "cmpl-mock",
                    "object",
                    object,
                    "created",
                    CREATED,
                    "model",
                    model,
                    "choices",
                    choices);
        }

        private Map<String, @Nullable Object> usage() {
            int completion = pieces.size() * n;
            return object(
                    "prompt_tokens",
                    promptTokens,
                    "completion_tokens",
                    completion,
                    "total_tokens",
                    promptTokens + completion);
        }
    }
}
