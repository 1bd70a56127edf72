/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What is asked: the prompt and everything that shapes the answer. How it is served (deadline, tenant, session) stands
 * apart in {@link CallOptions}, so that a request can be reused and cached. Immutable and thread-safe.
 *
 * <p>Only what is set is sent. Fields of an engine that have no setter here go into {@link Builder#extra}.
 */
public final class CompletionRequest {
    /** Wire names with a setter of their own; {@code extra} refuses them so that a field has one place only. */
    static final Set<String> OWN_FIELDS = Set.of(
            "model",
            "messages",
            "prompt",
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "repetition_penalty",
            "presence_penalty",
            "frequency_penalty",
            "seed",
            "max_tokens",
            "stop",
            "n",
            "logprobs",
            "top_logprobs",
            "tools",
            "tool_choice",
            "response_format");

    private final @Nullable String model;
    private final Prompt prompt;
    private final SamplingOptions sampling;
    private final @Nullable Integer maxTokens;
    private final List<String> stop;
    private final int n;
    private final @Nullable Integer topLogprobs;
    private final List<Map<String, @Nullable Object>> tools;
    private final @Nullable Object toolChoice;
    private final @Nullable Map<String, @Nullable Object> responseFormat;
    private final Map<String, @Nullable Object> extra;

    private CompletionRequest(Builder builder, Prompt prompt) {
        this.model = builder.model;
        this.prompt = prompt;
        this.sampling = builder.sampling.build();
        this.maxTokens = builder.maxTokens;
        this.stop = List.copyOf(builder.stop);
        this.n = builder.n;
        this.topLogprobs = builder.topLogprobs;
        this.tools = List.copyOf(builder.tools);
        this.toolChoice = builder.toolChoice;
        this.responseFormat = builder.responseFormat;
        this.extra = builder.extra;
    }

    /** {@return a request to continue a plain text, with the only model there is} */
    public static CompletionRequest of(String text) {
        return builder().prompt(text).build();
    }

    /** {@return a builder that names no model: right when the endpoints list exactly one} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return a builder for this model} */
    public static Builder builder(String model) {
        return new Builder().model(model);
    }

    /** {@return a builder that starts as a copy of this request} */
    public Builder newBuilder() {
        Builder builder = new Builder();
        builder.model = model;
        if (prompt instanceof Prompt.Chat chat) {
            builder.messages.addAll(chat.messages());
        } else {
            builder.plain = prompt;
        }
        builder.sampling = sampling.newBuilder();
        builder.maxTokens = maxTokens;
        builder.stop = stop;
        builder.n = n;
        builder.topLogprobs = topLogprobs;
        builder.tools.addAll(tools);
        builder.toolChoice = toolChoice;
        builder.responseFormat = responseFormat;
        builder.extra = extra;
        return builder;
    }

    /** {@return the model as the endpoints name it; empty for the only one there is} */
    public Optional<String> model() {
        return Optional.ofNullable(model);
    }

    /** {@return what is to be completed} */
    public Prompt prompt() {
        return prompt;
    }

    /** {@return {@link Operation#CHAT} or {@link Operation#TEXT}, by the form of the prompt} */
    public Operation operation() {
        return prompt.operation();
    }

    /** {@return how tokens are drawn} */
    public SamplingOptions sampling() {
        return sampling;
    }

    /** {@return the limit of new tokens, from {@code max_tokens} or an extra {@code max_completion_tokens}} */
    public OptionalInt maxTokens() {
        if (maxTokens != null) {
            return OptionalInt.of(maxTokens);
        }
        return extra.get("max_completion_tokens") instanceof Long limit && limit >= 0 && limit <= Integer.MAX_VALUE
                ? OptionalInt.of(limit.intValue())
                : OptionalInt.empty();
    }

    /** {@return texts that end the answer, themselves left out of it} */
    public List<String> stop() {
        return stop;
    }

    /** {@return how many answers to draw for each prompt, at least 1} */
    public int n() {
        return n;
    }

    /** {@return how many alternatives to report with each token's log probability; empty when none are asked for} */
    public OptionalInt topLogprobs() {
        return topLogprobs == null ? OptionalInt.empty() : OptionalInt.of(topLogprobs);
    }

    /** {@return the tools the model may call, as they go over the wire} */
    public List<Map<String, @Nullable Object>> tools() {
        return tools;
    }

    /** {@return which tool to call, as it goes over the wire: a string or a map} */
    public Optional<Object> toolChoice() {
        return Optional.ofNullable(toolChoice);
    }

    /** {@return the form the answer must have, as it goes over the wire} */
    public Optional<Map<String, @Nullable Object>> responseFormat() {
        return Optional.ofNullable(responseFormat);
    }

    /** {@return fields beyond the ones above, sent as they are} */
    public Map<String, @Nullable Object> extra() {
        return extra;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof CompletionRequest that
                && Objects.equals(model, that.model)
                && prompt.equals(that.prompt)
                && sampling.equals(that.sampling)
                && Objects.equals(maxTokens, that.maxTokens)
                && stop.equals(that.stop)
                && n == that.n
                && Objects.equals(topLogprobs, that.topLogprobs)
                && tools.equals(that.tools)
                && Objects.equals(toolChoice, that.toolChoice)
                && Objects.equals(responseFormat, that.responseFormat)
                && extra.equals(that.extra);
    }

    @Override
    public int hashCode() {
        return Objects.hash(
                model, prompt, sampling, maxTokens, stop, n, topLogprobs, tools, toolChoice, responseFormat, extra);
    }

    /** {@return model, operation and limit, never the prompt: requests end up in logs} */
    @Override
    public String toString() {
        return "CompletionRequest{model=" + model + ", operation=" + operation() + ", maxTokens=" + maxTokens + ", n="
                + n + "}";
    }

    /** Builds a {@link CompletionRequest}. Each setter refuses a bad value at once, by name. Not thread-safe. */
    public static final class Builder {
        private @Nullable String model;
        private @Nullable Prompt plain;
        private final List<Message> messages = new ArrayList<>();
        private SamplingOptions.Builder sampling = SamplingOptions.builder();
        private @Nullable Integer maxTokens;
        private List<String> stop = List.of();
        private int n = 1;
        private @Nullable Integer topLogprobs;
        private final List<Map<String, @Nullable Object>> tools = new ArrayList<>();
        private @Nullable Object toolChoice;
        private @Nullable Map<String, @Nullable Object> responseFormat;
        private Map<String, @Nullable Object> extra = Map.of();

        private Builder() {}

        /** Names the model. */
        public Builder model(String model) {
            this.model = Checks.notBlank("model", model);
            return this;
        }

        /** Asks to continue a plain text. */
        public Builder prompt(String text) {
            return prompt(new Prompt.Text(text));
        }

        /** Sets the prompt, replacing any messages. */
        public Builder prompt(Prompt prompt) {
            messages.clear();
            plain = null;
            if (prompt instanceof Prompt.Chat chat) {
                messages.addAll(chat.messages());
            } else {
                plain = prompt;
            }
            return this;
        }

        /** Adds a message to the conversation. */
        public Builder message(Message message) {
            messages.add(message);
            return this;
        }

        /** Adds a system message. */
        public Builder system(String text) {
            return message(Message.system(text));
        }

        /** Adds a user message. */
        public Builder user(String text) {
            return message(Message.user(text));
        }

        /** Adds an assistant message. */
        public Builder assistant(String text) {
            return message(Message.assistant(text));
        }

        /** Replaces all sampling options. */
        public Builder sampling(SamplingOptions options) {
            this.sampling = options.newBuilder();
            return this;
        }

        /** Sets the sampling temperature, 0 or more; 0 is greedy. */
        public Builder temperature(double temperature) {
            sampling.temperature(temperature);
            return this;
        }

        /** Sets the sampling seed. */
        public Builder seed(long seed) {
            sampling.seed(seed);
            return this;
        }

        /** Limits the new tokens, 0 or more; the prompt does not count. */
        public Builder maxTokens(int maxTokens) {
            this.maxTokens = Checks.atLeast("maxTokens", maxTokens, 0);
            return this;
        }

        /** Sets the texts that end the answer. */
        public Builder stop(String... stop) {
            return stop(List.of(stop));
        }

        /** Sets the texts that end the answer; none may be empty. */
        public Builder stop(List<String> stop) {
            if (stop.contains("")) {
                throw new IllegalArgumentException("stop must not contain an empty string");
            }
            this.stop = List.copyOf(stop);
            return this;
        }

        /** Asks for this many answers to each prompt, at least 1. */
        public Builder n(int n) {
            this.n = Checks.atLeast("n", n, 1);
            return this;
        }

        /** Asks for log probabilities, with this many alternatives for each token; 0 is the drawn token alone. */
        public Builder topLogprobs(int alternatives) {
            this.topLogprobs = Checks.atLeast("topLogprobs", alternatives, 0);
            return this;
        }

        /** Offers the model a tool, in the wire's form. */
        public Builder tool(Map<String, ? extends @Nullable Object> tool) {
            tools.add(JsonValues.copyOf("tool", tool));
            return this;
        }

        /** Says which tool to call: a string or a map in the wire's form. */
        public Builder toolChoice(Object choice) {
            this.toolChoice = JsonValues.copyOf("toolChoice", choice);
            return this;
        }

        /** Sets the form of the answer, in the wire's form. */
        public Builder responseFormat(Map<String, ? extends @Nullable Object> format) {
            this.responseFormat = JsonValues.copyOf("responseFormat", format);
            return this;
        }

        /**
         * Replaces the fields that have no setter here; values are JSON values.
         *
         * @throws IllegalArgumentException when a name has a setter of its own, or a value is no JSON value
         */
        public Builder extra(Map<String, ? extends @Nullable Object> extra) {
            for (String name : extra.keySet()) {
                if (OWN_FIELDS.contains(name)) {
                    throw new IllegalArgumentException(
                            "extra must not contain \"" + name + "\": set it by its own method");
                }
            }
            this.extra = JsonValues.copyOf("extra", extra);
            return this;
        }

        /**
         * {@return the request}
         *
         * @throws IllegalStateException when there is no prompt, or both a plain prompt and messages
         */
        public CompletionRequest build() {
            if (plain != null && !messages.isEmpty()) {
                throw new IllegalStateException("a request has either a plain prompt or messages, not both");
            }
            if (plain != null) {
                return new CompletionRequest(this, plain);
            }
            if (messages.isEmpty()) {
                throw new IllegalStateException("a request needs a prompt(...) or at least one message(...)");
            }
            return new CompletionRequest(this, new Prompt.Chat(messages));
        }
    }
}
