/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One event of a streamed answer. Immutable.
 *
 * <p>An event of the wire that carries several choices arrives as several chunks, in order.
 */
public sealed interface CompletionChunk {
    /** {@return the text this chunk adds to its choice; empty when it adds none} */
    default String text() {
        return "";
    }

    /** {@return the token counts, on the chunk that carries them (usually the last)} */
    default Optional<Usage> usage() {
        return Optional.empty();
    }

    /** {@return whether this chunk carries output of the model; the first that does is the first token} */
    default boolean hasOutput() {
        return false;
    }

    /** {@return a chunk that adds text to a choice} */
    static Delta text(int index, String text) {
        return Delta.builder(index).content(text).build();
    }

    /** {@return a chunk that ends a choice} */
    static Delta finish(int index, FinishReason reason) {
        return Delta.builder(index).finishReason(reason).build();
    }

    /**
     * Token counts on their own, after the last choice has ended.
     *
     * @param value the counts
     * @param extra what the wire carried beside them
     */
    record UsageOnly(Usage value, Map<String, @Nullable Object> extra) implements CompletionChunk {
        /** Copies the map. */
        public UsageOnly {
            extra = JsonValues.copyOf("extra", extra);
        }

        /** Counts without extra fields. */
        public UsageOnly(Usage value) {
            this(value, Map.of());
        }

        @Override
        public Optional<Usage> usage() {
            return Optional.of(value);
        }
    }

    /**
     * An event in a form that has no type here, kept as it is. Never counts as output.
     *
     * @param json the event as JSON values
     */
    record Raw(Map<String, @Nullable Object> json) implements CompletionChunk {
        /** Copies the map. */
        public Raw {
            json = JsonValues.copyOf("chunk", json);
        }
    }

    /** What a chunk adds to one choice. */
    final class Delta implements CompletionChunk {
        private final int index;
        private final @Nullable String id;
        private final @Nullable String model;
        private final @Nullable Role role;
        private final @Nullable String content;
        private final @Nullable String reasoning;
        private final @Nullable String refusal;
        private final List<ToolCallDelta> toolCalls;
        private final @Nullable FinishReason finishReason;
        private final @Nullable Logprobs logprobs;
        private final @Nullable Usage usage;
        private final Map<String, @Nullable Object> extra;

        private Delta(Builder builder) {
            index = builder.index;
            id = builder.id;
            model = builder.model;
            role = builder.role;
            content = builder.content;
            reasoning = builder.reasoning;
            refusal = builder.refusal;
            toolCalls = builder.toolCalls;
            finishReason = builder.finishReason;
            logprobs = builder.logprobs;
            usage = builder.usage;
            extra = builder.extra;
        }

        /** {@return a builder of a chunk for the choice with this index, from 0} */
        public static Builder builder(int index) {
            return new Builder(index);
        }

        /** {@return a builder that starts as a copy of this chunk} */
        public Builder newBuilder() {
            Builder builder = new Builder(index);
            builder.id = id;
            builder.model = model;
            builder.role = role;
            builder.content = content;
            builder.reasoning = reasoning;
            builder.refusal = refusal;
            builder.toolCalls = toolCalls;
            builder.finishReason = finishReason;
            builder.logprobs = logprobs;
            builder.usage = usage;
            builder.extra = extra;
            return builder;
        }

        /** {@return which choice this extends, from 0} */
        public int index() {
            return index;
        }

        /** {@return the answer's id, where the engine sends one} */
        public Optional<String> id() {
            return Optional.ofNullable(id);
        }

        /** {@return the model that answers, as the engine names it} */
        public Optional<String> model() {
            return Optional.ofNullable(model);
        }

        /** {@return the role, usually on the first chunk of a chat choice} */
        public Optional<Role> role() {
            return Optional.ofNullable(role);
        }

        @Override
        public String text() {
            return content == null ? "" : content;
        }

        /** {@return the reasoning this chunk adds; empty when it adds none} */
        public String reasoning() {
            return reasoning == null ? "" : reasoning;
        }

        /** {@return the refusal this chunk adds; empty when it adds none} */
        public String refusal() {
            return refusal == null ? "" : refusal;
        }

        /** {@return the pieces of tool calls this chunk adds} */
        public List<ToolCallDelta> toolCalls() {
            return toolCalls;
        }

        /** {@return why the choice ended, on its last chunk} */
        public Optional<FinishReason> finishReason() {
            return Optional.ofNullable(finishReason);
        }

        /** {@return log probabilities of the tokens of this chunk, when asked for} */
        public Optional<Logprobs> logprobs() {
            return Optional.ofNullable(logprobs);
        }

        @Override
        public Optional<Usage> usage() {
            return Optional.ofNullable(usage);
        }

        /** {@return what the wire carried beside these, nested as it stood there} */
        public Map<String, @Nullable Object> extra() {
            return extra;
        }

        @Override
        public boolean hasOutput() {
            return (content != null && !content.isEmpty())
                    || (reasoning != null && !reasoning.isEmpty())
                    || (refusal != null && !refusal.isEmpty())
                    || !toolCalls.isEmpty();
        }

        @Override
        public String toString() {
            return "Delta{" + index + ": \"" + text() + "\"" + (finishReason == null ? "" : " " + finishReason)
                    + (usage == null ? "" : " " + usage) + "}";
        }

        /** Builds a {@link Delta}. Not thread-safe. */
        public static final class Builder {
            private final int index;
            private @Nullable String id;
            private @Nullable String model;
            private @Nullable Role role;
            private @Nullable String content;
            private @Nullable String reasoning;
            private @Nullable String refusal;
            private List<ToolCallDelta> toolCalls = List.of();
            private @Nullable FinishReason finishReason;
            private @Nullable Logprobs logprobs;
            private @Nullable Usage usage;
            private Map<String, @Nullable Object> extra = Map.of();

            private Builder(int index) {
                this.index = Checks.atLeast("index", index, 0);
            }

            /** Sets the answer's id. */
            public Builder id(@Nullable String id) {
                this.id = id;
                return this;
            }

            /** Sets the model. */
            public Builder model(@Nullable String model) {
                this.model = model;
                return this;
            }

            /** Sets the role. */
            public Builder role(@Nullable Role role) {
                this.role = role;
                return this;
            }

            /** Sets the text to add. */
            public Builder content(@Nullable String content) {
                this.content = content;
                return this;
            }

            /** Sets the reasoning to add. */
            public Builder reasoning(@Nullable String reasoning) {
                this.reasoning = reasoning;
                return this;
            }

            /** Sets the refusal to add. */
            public Builder refusal(@Nullable String refusal) {
                this.refusal = refusal;
                return this;
            }

            /** Sets the pieces of tool calls. */
            public Builder toolCalls(List<ToolCallDelta> toolCalls) {
                this.toolCalls = List.copyOf(toolCalls);
                return this;
            }

            /** Ends the choice. */
            public Builder finishReason(@Nullable FinishReason reason) {
                this.finishReason = reason;
                return this;
            }

            /** Sets the log probabilities. */
            public Builder logprobs(@Nullable Logprobs logprobs) {
                this.logprobs = logprobs;
                return this;
            }

            /** Sets the token counts. */
            public Builder usage(@Nullable Usage usage) {
                this.usage = usage;
                return this;
            }

            /** Replaces the extra fields. */
            public Builder extra(Map<String, ? extends @Nullable Object> extra) {
                this.extra = JsonValues.copyOf("extra", extra);
                return this;
            }

            /** {@return the chunk} */
            public Delta build() {
                return new Delta(this);
            }
        }
    }
}
