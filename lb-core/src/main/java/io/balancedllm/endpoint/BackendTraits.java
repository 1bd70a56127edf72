/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import io.balancedllm.completion.Operation;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a backend can do, as far as it is known. Immutable. */
public final class BackendTraits {
    /** Nothing known: every operation may work, every model may be there. */
    public static final BackendTraits UNKNOWN = builder().build();

    private final Set<Operation> operations;
    private final List<String> models;
    private final @Nullable Integer contextTokens;
    private final OptionalLong kvCapacityTokens;

    private BackendTraits(Builder builder) {
        operations = Set.copyOf(builder.operations);
        models = List.copyOf(builder.models);
        contextTokens = builder.contextTokens;
        kvCapacityTokens = builder.kvCapacityTokens;
    }

    /** {@return a builder with nothing known} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return the operations that may work} */
    public Set<Operation> operations() {
        return operations;
    }

    /** {@return the models served, as the backend names them; empty when not known} */
    public List<String> models() {
        return models;
    }

    /** {@return how many tokens prompt and answer may have together, when known} */
    public OptionalInt contextTokens() {
        return contextTokens == null ? OptionalInt.empty() : OptionalInt.of(contextTokens);
    }

    /** {@return how many tokens its KV memory holds, those of all sequences together, when known} */
    public OptionalLong kvCapacityTokens() {
        return kvCapacityTokens;
    }

    /** Builds {@link BackendTraits}. Not thread-safe. */
    public static final class Builder {
        private Set<Operation> operations = EnumSet.allOf(Operation.class);
        private final List<String> models = new ArrayList<>();
        private @Nullable Integer contextTokens;
        private OptionalLong kvCapacityTokens = OptionalLong.empty();

        private Builder() {}

        /** Sets the operations that work, at least one. */
        public Builder operations(Operation first, Operation... rest) {
            this.operations = EnumSet.of(first, rest);
            return this;
        }

        /** Adds a model. */
        public Builder model(String model) {
            models.add(model);
            return this;
        }

        /** Sets how many tokens prompt and answer may have together, at least 1. */
        public Builder contextTokens(int tokens) {
            if (tokens < 1) {
                throw new IllegalArgumentException("contextTokens must be at least 1, got " + tokens);
            }
            this.contextTokens = tokens;
            return this;
        }

        /** Sets how many tokens the KV memory holds, at least 1. */
        public Builder kvCapacityTokens(long tokens) {
            if (tokens < 1) {
                throw new IllegalArgumentException("kvCapacityTokens must be at least 1, got " + tokens);
            }
            this.kvCapacityTokens = OptionalLong.of(tokens);
            return this;
        }

        /** {@return the traits} */
        public BackendTraits build() {
            return new BackendTraits(this);
        }
    }
}
