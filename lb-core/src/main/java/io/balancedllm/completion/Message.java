/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One message of a chat, asked or answered. The content is a plain string, a list of parts, or absent (an assistant
 * message that only calls tools). Immutable and thread-safe.
 */
public final class Message {
    private final Role role;
    private final @Nullable String content;
    private final List<ContentPart> parts;
    private final @Nullable String name;
    private final List<ToolCall> toolCalls;
    private final @Nullable String toolCallId;
    private final @Nullable String reasoning;
    private final @Nullable String refusal;
    private final Map<String, @Nullable Object> extra;

    private Message(Builder builder) {
        role = builder.role;
        content = builder.content;
        parts = List.copyOf(builder.parts);
        name = builder.name;
        toolCalls = List.copyOf(builder.toolCalls);
        toolCallId = builder.toolCallId;
        reasoning = builder.reasoning;
        refusal = builder.refusal;
        extra = builder.extra;
    }

    /** {@return a system message} */
    public static Message system(String text) {
        return builder(Role.SYSTEM).content(text).build();
    }

    /** {@return a user message} */
    public static Message user(String text) {
        return builder(Role.USER).content(text).build();
    }

    /** {@return an assistant message} */
    public static Message assistant(String text) {
        return builder(Role.ASSISTANT).content(text).build();
    }

    /** {@return the result of a tool call, for the call with this id} */
    public static Message tool(String toolCallId, String result) {
        return builder(Role.TOOL).toolCallId(toolCallId).content(result).build();
    }

    /** {@return a builder for a message of this role} */
    public static Builder builder(Role role) {
        return new Builder(role);
    }

    /** {@return a builder that starts as a copy of this message} */
    public Builder newBuilder() {
        Builder builder = new Builder(role);
        builder.content = content;
        builder.parts.addAll(parts);
        builder.name = name;
        builder.toolCalls.addAll(toolCalls);
        builder.toolCallId = toolCallId;
        builder.reasoning = reasoning;
        builder.refusal = refusal;
        builder.extra = extra;
        return builder;
    }

    /** {@return who speaks} */
    public Role role() {
        return role;
    }

    /** {@return the content when it is a plain string; empty when it is a list of parts or absent} */
    public Optional<String> content() {
        return Optional.ofNullable(content);
    }

    /** {@return the content when it is a list of parts; empty when it is a plain string or absent} */
    public List<ContentPart> parts() {
        return parts;
    }

    /** {@return all text of this message: the plain string, or the texts of its parts joined; possibly empty} */
    public String text() {
        if (content != null) {
            return content;
        }
        return parts.stream().flatMap(part -> part.text().stream()).collect(Collectors.joining());
    }

    /** {@return the name of the participant, if any} */
    public Optional<String> name() {
        return Optional.ofNullable(name);
    }

    /** {@return the tools the model wants called, in order} */
    public List<ToolCall> toolCalls() {
        return toolCalls;
    }

    /** {@return which tool call a {@link Role#TOOL} message answers} */
    public Optional<String> toolCallId() {
        return Optional.ofNullable(toolCallId);
    }

    /** {@return what a reasoning model thought before its answer ({@code reasoning_content} on the wire)} */
    public Optional<String> reasoning() {
        return Optional.ofNullable(reasoning);
    }

    /** {@return why the model refused, if it did} */
    public Optional<String> refusal() {
        return Optional.ofNullable(refusal);
    }

    /** {@return what the wire carries beside these} */
    public Map<String, @Nullable Object> extra() {
        return extra;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Message that
                && role.equals(that.role)
                && Objects.equals(content, that.content)
                && parts.equals(that.parts)
                && Objects.equals(name, that.name)
                && toolCalls.equals(that.toolCalls)
                && Objects.equals(toolCallId, that.toolCallId)
                && Objects.equals(reasoning, that.reasoning)
                && Objects.equals(refusal, that.refusal)
                && extra.equals(that.extra);
    }

    @Override
    public int hashCode() {
        return Objects.hash(role, content, parts, name, toolCalls, toolCallId, reasoning, refusal, extra);
    }

    @Override
    public String toString() {
        return role + ": " + text();
    }

    /** Builds a {@link Message}. Not thread-safe. */
    public static final class Builder {
        private final Role role;
        private @Nullable String content;
        private final List<ContentPart> parts = new ArrayList<>();
        private @Nullable String name;
        private final List<ToolCall> toolCalls = new ArrayList<>();
        private @Nullable String toolCallId;
        private @Nullable String reasoning;
        private @Nullable String refusal;
        private Map<String, @Nullable Object> extra = Map.of();

        private Builder(Role role) {
            this.role = role;
        }

        /** Sets the content to a plain string. */
        public Builder content(String content) {
            this.content = content;
            return this;
        }

        /** Adds a part to the content. */
        public Builder part(ContentPart part) {
            parts.add(part);
            return this;
        }

        /** Sets the name of the participant. */
        public Builder name(String name) {
            this.name = name;
            return this;
        }

        /** Adds a tool call. */
        public Builder toolCall(ToolCall call) {
            toolCalls.add(call);
            return this;
        }

        /** Says which tool call this message answers. */
        public Builder toolCallId(String id) {
            this.toolCallId = id;
            return this;
        }

        /** Sets the reasoning. */
        public Builder reasoning(String reasoning) {
            this.reasoning = reasoning;
            return this;
        }

        /** Sets the refusal. */
        public Builder refusal(String refusal) {
            this.refusal = refusal;
            return this;
        }

        /** Replaces the extra fields. */
        public Builder extra(Map<String, ? extends @Nullable Object> extra) {
            this.extra = JsonValues.copyOf("extra", extra);
            return this;
        }

        /**
         * {@return the message}
         *
         * @throws IllegalStateException when both a plain string and parts were given
         */
        public Message build() {
            if (content != null && !parts.isEmpty()) {
                throw new IllegalStateException("a message has either content(String) or part(...), not both");
            }
            return new Message(this);
        }
    }
}
