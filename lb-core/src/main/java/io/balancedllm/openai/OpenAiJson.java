/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The JSON of the OpenAI-compatible wire, both ways and without loss: for a client, and for a server that speaks it.
 * Thread-safe.
 *
 * <p>What has a type is read typed where its form fits; everything else stays in {@code extra} where it stood, what was
 * nested nested. Writing merges the two again, so that reading and writing a body gives the same JSON, apart from this:
 * null for a field that has a type equals absence; so does the default of a request ({@code n} 1, {@code logprobs}
 * false, no {@code stop}, no {@code tools}); one {@code stop} string becomes a list of one; a number may be spelled
 * otherwise, and typed it has the precision of its type. Numbers in {@code extra} keep every digit. What a valid answer
 * must have and was not sent ({@code object}, {@code created}, {@code index}, sums) is added.
 *
 * <p>Readers of requests throw {@link Reason#INVALID_REQUEST} naming the field, readers of answers
 * {@link Reason#PROTOCOL_ERROR}, or the error that stands in place of the answer. No input overflows the stack: depth
 * and size are limited.
 */
public final class OpenAiJson {
    /** Nesting of objects and lists that is read. */
    public static final int MAX_DEPTH = 100;

    /** Bytes of a request or answer that are read: {@value}. */
    public static final int MAX_BODY_BYTES = 64 << 20;

    private OpenAiJson() {}

    /**
     * {@return the request in a body} {@code stream} and {@code stream_options} stay in {@code extra}.
     *
     * @param operation {@link Operation#CHAT} or {@link Operation#TEXT}
     * @param body JSON in UTF-8
     * @throws LlmException INVALID_REQUEST naming the field
     */
    public static CompletionRequest readRequest(Operation operation, byte[] body) {
        return RequestJson.read(completing(operation), body);
    }

    /** {@return the body of a request} A limit read as {@code max_completion_tokens} is written as that. */
    public static byte[] writeRequest(CompletionRequest request) {
        return Json.write(RequestJson.write(request));
    }

    /**
     * {@return the answer in a body}
     *
     * @param operation {@link Operation#CHAT} or {@link Operation#TEXT}
     * @param body JSON in UTF-8
     * @throws LlmException PROTOCOL_ERROR, or the error in place of the answer
     */
    public static Completion readCompletion(Operation operation, byte[] body) {
        return CompletionJson.read(completing(operation), body);
    }

    /** {@return the body of an answer} Where {@code extra} has no {@code created}, it is 0: there is no clock here. */
    public static byte[] writeCompletion(Completion completion) {
        return Json.write(CompletionJson.write(completion));
    }

    /**
     * {@return the chunks of one event of a stream, in the order of its choices; none for the event {@code null}}
     *
     * @param operation {@link Operation#CHAT} or {@link Operation#TEXT}
     * @param data the event's data, anything but the end mark {@code [DONE]}
     * @throws LlmException PROTOCOL_ERROR when it is no JSON object, or the error the event carries
     */
    public static List<CompletionChunk> readChunk(Operation operation, String data) {
        return ChunkJson.read(completing(operation), data);
    }

    /** {@return the data of the event for a chunk} Where {@code extra} has no {@code created}, it is 0. */
    public static String writeChunk(Operation operation, CompletionChunk chunk) {
        return new String(Json.write(ChunkJson.write(completing(operation), chunk)), StandardCharsets.UTF_8);
    }

    /**
     * {@return the embedding request in a body} {@code encoding_format} stays in {@code extra}.
     *
     * @throws LlmException INVALID_REQUEST naming the field
     */
    public static EmbeddingRequest readEmbeddingRequest(byte[] body) {
        return RequestJson.readEmbedding(body);
    }

    /** {@return the body of an embedding request} */
    public static byte[] writeEmbeddingRequest(EmbeddingRequest request) {
        return Json.write(RequestJson.writeEmbedding(request));
    }

    /**
     * {@return the vectors in a body, by their index, whether lists of numbers or base64}
     *
     * @throws LlmException PROTOCOL_ERROR, or the error in place of the answer
     */
    public static Embeddings readEmbeddings(byte[] body) {
        checkSize(body);
        return EmbeddingsJson.read(body);
    }

    /** {@return the body of vectors, as base64 of little-endian floats or as lists of numbers} */
    public static byte[] writeEmbeddings(Embeddings embeddings, boolean base64) {
        return Json.write(EmbeddingsJson.write(embeddings, base64));
    }

    /**
     * {@return the ids in the body of {@code GET /v1/models}}
     *
     * @throws LlmException PROTOCOL_ERROR, or the error in place of the answer
     */
    public static List<String> readModels(byte[] body) {
        Map<String, @Nullable Object> json = parseAnswer(body);
        LlmException error = ErrorJson.inBand(json);
        if (error != null) {
            throw error;
        }
        if (!(json.get("data") instanceof List<?> data)) {
            throw protocol("the answer has no list of \"data\"");
        }
        List<String> ids = new ArrayList<>(data.size());
        for (Object element : data) {
            Map<String, @Nullable Object> model = Fields.asObject(element);
            if (model != null && model.get("id") instanceof String id) {
                ids.add(id);
            }
        }
        return List.copyOf(ids);
    }

    /** {@return the body of {@code GET /v1/models} that lists these ids} */
    public static byte[] writeModels(List<String> ids, String ownedBy) {
        List<Object> data = new ArrayList<>(ids.size());
        for (String id : ids) {
            Map<String, @Nullable Object> model = new LinkedHashMap<>();
            model.put("id", id);
            model.put("object", "model");
            model.put("created", 0L);
            model.put("owned_by", ownedBy);
            data.add(model);
        }
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("object", "list");
        json.put("data", data);
        return Json.write(json);
    }

    /**
     * {@return the failure a response means that is no answer} Every form of error body is understood; retry headers
     * ({@code retry-after-ms}, {@code x-ms-retry-after-ms}, {@code retry-after} in seconds or as a date,
     * {@code x-should-retry}) are taken over, malformed ones ignored.
     *
     * @param status the HTTP status
     * @param headers the response's headers, names in any case
     * @param body what could be read of the body, possibly empty
     */
    public static LlmException readError(int status, Map<String, String> headers, byte[] body) {
        Map<String, String> lowerCase = new TreeMap<>();
        headers.forEach((name, value) -> lowerCase.put(name.toLowerCase(Locale.ROOT), value));
        return ErrorJson.failure(status, lowerCase, body).build();
    }

    /** {@return the error body for a failure} {@link #statusOf} is its status, {@code retryAfter} belongs in a header. */
    public static byte[] writeError(LlmException failure) {
        return Json.write(ErrorJson.write(failure));
    }

    /** {@return the HTTP status for a failure} */
    public static int statusOf(LlmException failure) {
        return ErrorReasons.statusOf(failure.reason());
    }

    static Map<String, @Nullable Object> parseAnswer(byte[] body) {
        checkSize(body);
        Object json;
        try {
            json = Json.read(body);
        } catch (IOException e) {
            throw protocol("the answer is no JSON: " + why(e), e);
        }
        Map<String, @Nullable Object> object = Fields.asObject(json);
        if (object == null) {
            throw protocol("the answer is no JSON object but " + Fields.describe(json));
        }
        return object;
    }

    private static void checkSize(byte[] body) {
        if (body.length > MAX_BODY_BYTES) {
            throw protocol("the answer has " + body.length + " bytes, the limit is " + MAX_BODY_BYTES);
        }
    }

    private static Operation completing(Operation operation) {
        if (operation == Operation.EMBEDDINGS) {
            throw new IllegalArgumentException("operation must be CHAT or TEXT, got EMBEDDINGS");
        }
        return operation;
    }

    static LlmException protocol(String message) {
        return new LlmException(Reason.PROTOCOL_ERROR, message);
    }

    static LlmException protocol(String message, Throwable cause) {
        return LlmException.builder(Reason.PROTOCOL_ERROR, message).cause(cause).build();
    }

    /** {@return what a parser objects to, without the excerpt of the input it may add} */
    static String why(IOException e) {
        String message = e instanceof com.fasterxml.jackson.core.JsonProcessingException parsing
                ? parsing.getOriginalMessage()
                : e.getMessage();
        return message == null ? e.getClass().getSimpleName() : message;
    }
}
