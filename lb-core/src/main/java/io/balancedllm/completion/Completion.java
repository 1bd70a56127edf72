/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A whole answer: one or more choices, and what they cost. Immutable and thread-safe. */
public final class Completion {
    private final Operation operation;
    private final @Nullable String id;
    private final @Nullable String model;
    private final List<Choice> choices;
    private final @Nullable Usage usage;
    private final Map<String, @Nullable Object> extra;
    private final @Nullable DecisionRecord decision;

    private Completion(Builder builder) {
        operation = builder.operation;
        id = builder.id;
        model = builder.model;
        choices = List.copyOf(builder.choices);
        usage = builder.usage;
        extra = builder.extra;
        decision = builder.decision;
    }

    /** {@return a builder of a {@link Operation#CHAT} or {@link Operation#TEXT} answer} */
    public static Builder builder(Operation operation) {
        return new Builder(operation);
    }

    /** {@return a builder that starts as a copy of this answer} */
    public Builder newBuilder() {
        Builder builder = new Builder(operation);
        builder.id = id;
        builder.model = model;
        builder.choices.addAll(choices);
        builder.usage = usage;
        builder.extra = extra;
        builder.decision = decision;
        return builder;
    }

    /** {@return whether this answers a chat or a plain prompt} */
    public Operation operation() {
        return operation;
    }

    /** {@return the answer's id, where the engine sends one} */
    public Optional<String> id() {
        return Optional.ofNullable(id);
    }

    /** {@return the model that answered, as the engine names it} */
    public Optional<String> model() {
        return Optional.ofNullable(model);
    }

    /** {@return the answers, by index} */
    public List<Choice> choices() {
        return choices;
    }

    /** {@return the text of the first choice; empty when there is none} */
    public String text() {
        return choices.isEmpty() ? "" : choices.get(0).text();
    }

    /** {@return what the answer cost, when the engine says} */
    public Optional<Usage> usage() {
        return Optional.ofNullable(usage);
    }

    /** {@return what the wire carried beside these} */
    public Map<String, @Nullable Object> extra() {
        return extra;
    }

    /** {@return who served it and why; empty on an answer that did not come from a balancer} */
    public Optional<DecisionRecord> decision() {
        return Optional.ofNullable(decision);
    }

    /** {@return whether the answers are equal; who served them does not count} */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Completion that
                && operation == that.operation
                && Objects.equals(id, that.id)
                && Objects.equals(model, that.model)
                && choices.equals(that.choices)
                && Objects.equals(usage, that.usage)
                && extra.equals(that.extra);
    }

    @Override
    public int hashCode() {
        return Objects.hash(operation, id, model, choices, usage, extra);
    }

    @Override
    public String toString() {
        return "Completion{id=" + id + ", model=" + model + ", choices=" + choices.size() + ", usage=" + usage + "}";
    }

    /** Builds a {@link Completion}. Not thread-safe. */
    public static final class Builder {
        private final Operation operation;
        private @Nullable String id;
        private @Nullable String model;
        private final List<Choice> choices = new ArrayList<>();
        private @Nullable Usage usage;
        private Map<String, @Nullable Object> extra = Map.of();
        private @Nullable DecisionRecord decision;

        private Builder(Operation operation) {
            if (operation == Operation.EMBEDDINGS) {
                throw new IllegalArgumentException("a completion answers CHAT or TEXT, got EMBEDDINGS");
            }
            this.operation = operation;
        }

        /** Sets the answer's id. */
        public Builder id(@Nullable String id) {
            this.id = id;
            return this;
        }

        /** Sets the model that answered. */
        public Builder model(@Nullable String model) {
            this.model = model;
            return this;
        }

        /** Adds a choice. */
        public Builder choice(Choice choice) {
            choices.add(choice);
            return this;
        }

        /** Sets what the answer cost. */
        public Builder usage(@Nullable Usage usage) {
            this.usage = usage;
            return this;
        }

        /** Replaces the extra fields. */
        public Builder extra(Map<String, ? extends @Nullable Object> extra) {
            this.extra = JsonValues.copyOf("extra", extra);
            return this;
        }

        /** Says who served it. */
        public Builder decision(@Nullable DecisionRecord decision) {
            this.decision = decision;
            return this;
        }

        /** {@return the answer} */
        public Completion build() {
            return new Completion(this);
        }
    }
}
