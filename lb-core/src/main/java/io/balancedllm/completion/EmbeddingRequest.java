/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Texts, or token ids, that are to become vectors. Immutable and thread-safe. */
public final class EmbeddingRequest {
    private static final Set<String> OWN_FIELDS = Set.of("model", "input", "dimensions");

    private final @Nullable String model;
    private final Prompt input;
    private final @Nullable Integer dimensions;
    private final Map<String, @Nullable Object> extra;

    private EmbeddingRequest(Builder builder) {
        model = builder.model;
        input = builder.input;
        dimensions = builder.dimensions;
        extra = builder.extra;
    }

    /** {@return a request for the vectors of these texts, with the only model there is} */
    public static EmbeddingRequest of(String... texts) {
        return builder(new Prompt.Texts(List.of(texts))).build();
    }

    /** {@return a builder of a request for the vectors of a text, texts or token ids; a chat is refused} */
    public static Builder builder(Prompt input) {
        return new Builder(input);
    }

    /** {@return a builder that starts as a copy of this request} */
    public Builder newBuilder() {
        Builder builder = new Builder(input);
        builder.model = model;
        builder.dimensions = dimensions;
        builder.extra = extra;
        return builder;
    }

    /** {@return the model as the endpoints name it; empty for the only one there is} */
    public Optional<String> model() {
        return Optional.ofNullable(model);
    }

    /** {@return what is to be embedded; never a {@link Prompt.Chat}} */
    public Prompt input() {
        return input;
    }

    /** {@return the length the vectors shall have; empty for the model's own} */
    public OptionalInt dimensions() {
        return dimensions == null ? OptionalInt.empty() : OptionalInt.of(dimensions);
    }

    /** {@return fields beyond these, sent as they are} */
    public Map<String, @Nullable Object> extra() {
        return extra;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof EmbeddingRequest that
                && Objects.equals(model, that.model)
                && input.equals(that.input)
                && Objects.equals(dimensions, that.dimensions)
                && extra.equals(that.extra);
    }

    @Override
    public int hashCode() {
        return Objects.hash(model, input, dimensions, extra);
    }

    @Override
    public String toString() {
        return "EmbeddingRequest{model=" + model + ", dimensions=" + dimensions + "}";
    }

    /** Builds an {@link EmbeddingRequest}. Not thread-safe. */
    public static final class Builder {
        private @Nullable String model;
        private final Prompt input;
        private @Nullable Integer dimensions;
        private Map<String, @Nullable Object> extra = Map.of();

        private Builder(Prompt input) {
            if (input instanceof Prompt.Chat) {
                throw new IllegalArgumentException("an embedding request takes texts or token ids, not a chat");
            }
            this.input = input;
        }

        /** Names the model. */
        public Builder model(String model) {
            this.model = Checks.notBlank("model", model);
            return this;
        }

        /** Sets the length the vectors shall have, at least 1. */
        public Builder dimensions(int dimensions) {
            this.dimensions = Checks.atLeast("dimensions", dimensions, 1);
            return this;
        }

        /** Replaces the fields that have no setter here. */
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

        /** {@return the request} */
        public EmbeddingRequest build() {
            return new EmbeddingRequest(this);
        }
    }
}
