/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionChunk.Delta;
import io.balancedllm.completion.CompletionChunk.UsageOnly;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Usage;
import io.balancedllm.openai.OpenAiJson;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A request as it came over the wire, apart from what it says about the wire itself, and the events of its answer: the
 * token counts come in an event of their own, after all others, and only when the client asks. Used by one thread.
 */
final class Served {
    private static final String STREAM = "stream";
    private static final String STREAM_OPTIONS = "stream_options";
    private static final String INCLUDE_USAGE = "include_usage";

    private final CompletionRequest request;
    private final boolean stream;
    private final boolean includeUsage;
    private final Map<String, @Nullable Object> envelope = new LinkedHashMap<>();
    private @Nullable Usage usage;

    private Served(CompletionRequest request, boolean stream, boolean includeUsage) {
        this.request = request;
        this.stream = stream;
        this.includeUsage = includeUsage;
    }

    static Served read(Operation operation, byte[] body) {
        CompletionRequest request = OpenAiJson.readRequest(operation, body);
        Map<String, @Nullable Object> extra = new LinkedHashMap<>(request.extra());
        boolean stream = isTrue(STREAM, extra.remove(STREAM));
        boolean usage = extra.remove(STREAM_OPTIONS) instanceof Map<?, ?> options
                && isTrue(INCLUDE_USAGE, options.get(INCLUDE_USAGE));
        return new Served(request.newBuilder().extra(extra).build(), stream, usage);
    }

    private static boolean isTrue(String field, @Nullable Object value) {
        if (value == null || value instanceof Boolean) {
            return Boolean.TRUE.equals(value);
        }
        throw new LlmException(Reason.INVALID_REQUEST, "\"" + field + "\" must be true or false, got " + value);
    }

    CompletionRequest request() {
        return request;
    }

    boolean stream() {
        return stream;
    }

    /** {@return the event for a chunk; empty when it only carries counts} */
    Optional<String> event(CompletionChunk chunk) {
        chunk.usage().ifPresent(counts -> usage = counts);
        if (chunk instanceof UsageOnly) {
            return Optional.empty();
        }
        CompletionChunk bare = chunk instanceof Delta delta ? withoutUsage(delta) : chunk;
        return Optional.of(OpenAiJson.writeChunk(request.operation(), bare));
    }

    /** {@return the event with the token counts, when the client wants it and they are known} */
    Optional<String> usageEvent() {
        return includeUsage && usage != null
                ? Optional.of(OpenAiJson.writeChunk(request.operation(), new UsageOnly(usage, envelope)))
                : Optional.empty();
    }

    private Delta withoutUsage(Delta delta) {
        delta.id().ifPresent(id -> envelope.put("id", id));
        delta.model().ifPresent(model -> envelope.put("model", model));
        return Delta.builder(delta.index())
                .id(delta.id().orElse(null))
                .model(delta.model().orElse(null))
                .role(delta.role().orElse(null))
                .content(delta.text())
                .reasoning(delta.reasoning())
                .refusal(delta.refusal())
                .toolCalls(delta.toolCalls())
                .finishReason(delta.finishReason().orElse(null))
                .logprobs(delta.logprobs().orElse(null))
                .extra(delta.extra())
                .build();
    }
}
