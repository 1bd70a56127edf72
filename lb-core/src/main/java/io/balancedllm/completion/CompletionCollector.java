/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Puts the chunks of a stream together to a {@link Completion}. Not thread-safe. */
public final class CompletionCollector {
    private final Operation operation;
    private final TreeMap<Integer, ChoiceBuilder> choices = new TreeMap<>();
    private @Nullable String id;
    private @Nullable String model;
    private @Nullable Usage usage;
    private Map<String, @Nullable Object> extra = Map.of();

    /** A collector of an answer to this operation. */
    public CompletionCollector(Operation operation) {
        this.operation = operation;
    }

    /** Adds the next chunk. {@link CompletionChunk.Raw} chunks leave no trace in the answer. */
    public void add(CompletionChunk chunk) {
        chunk.usage().ifPresent(counts -> usage = counts);
        if (chunk instanceof CompletionChunk.Delta delta) {
            if (id == null) {
                id = delta.id().orElse(null);
            }
            if (model == null) {
                model = delta.model().orElse(null);
            }
            if (choices.isEmpty()) {
                extra = withoutChunkFields(delta.extra());
            }
            choices.computeIfAbsent(delta.index(), ChoiceBuilder::new).add(delta);
        }
    }

    /** {@return the text of the first choice so far; possibly empty} */
    public String text() {
        return choices.isEmpty() ? "" : choices.firstEntry().getValue().content.toString();
    }

    /** {@return the answer so far} */
    public Completion completion() {
        Completion.Builder builder =
                Completion.builder(operation).id(id).model(model).usage(usage).extra(extra);
        choices.values().forEach(choice -> builder.choice(choice.build()));
        return builder.build();
    }

    private static Map<String, @Nullable Object> withoutChunkFields(Map<String, @Nullable Object> chunkExtra) {
        Map<String, @Nullable Object> kept = new LinkedHashMap<>(chunkExtra);
        kept.remove("object");
        kept.remove("choices");
        return kept;
    }

    private static final class ChoiceBuilder {
        private final int index;
        private @Nullable Role role;
        private final StringBuilder content = new StringBuilder();
        private final StringBuilder reasoning = new StringBuilder();
        private final StringBuilder refusal = new StringBuilder();
        private final TreeMap<Integer, ToolCallBuilder> toolCalls = new TreeMap<>();
        private final List<TokenLogprob> logprobs = new ArrayList<>();
        private boolean hasLogprobs;
        private @Nullable FinishReason finishReason;

        ChoiceBuilder(int index) {
            this.index = index;
        }

        void add(CompletionChunk.Delta delta) {
            if (role == null) {
                role = delta.role().orElse(null);
            }
            content.append(delta.text());
            reasoning.append(delta.reasoning());
            refusal.append(delta.refusal());
            for (ToolCallDelta call : delta.toolCalls()) {
                toolCalls
                        .computeIfAbsent(call.index(), i -> new ToolCallBuilder())
                        .add(call);
            }
            delta.logprobs().ifPresent(piece -> {
                hasLogprobs = true;
                logprobs.addAll(piece.tokens());
            });
            delta.finishReason().ifPresent(reason -> finishReason = reason);
        }

        Choice build() {
            Message.Builder message = Message.builder(role == null ? Role.ASSISTANT : role);
            if (content.length() > 0 || toolCalls.isEmpty()) {
                message.content(content.toString());
            }
            if (reasoning.length() > 0) {
                message.reasoning(reasoning.toString());
            }
            if (refusal.length() > 0) {
                message.refusal(refusal.toString());
            }
            toolCalls.values().forEach(call -> message.toolCall(call.build()));
            return new Choice(
                    index, message.build(), finishReason, hasLogprobs ? new Logprobs(logprobs) : null, Map.of());
        }
    }

    private static final class ToolCallBuilder {
        private String id = "";
        private final StringBuilder name = new StringBuilder();
        private final StringBuilder arguments = new StringBuilder();
        private Map<String, @Nullable Object> extra = Map.of();

        void add(ToolCallDelta delta) {
            if (delta.id() != null) {
                id = delta.id();
            }
            if (delta.name() != null) {
                name.append(delta.name());
            }
            arguments.append(delta.arguments());
            if (extra.isEmpty()) {
                extra = delta.extra();
            }
        }

        ToolCall build() {
            return new ToolCall(id, name.toString(), arguments.toString(), extra);
        }
    }
}
