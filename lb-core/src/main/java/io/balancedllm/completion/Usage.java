/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * What an answer cost, in tokens, as the engine counted them. A count that the engine did not send is absent, never
 * zero. Immutable and thread-safe.
 */
public final class Usage {
    private final int promptTokens;
    private final int completionTokens;
    private final @Nullable Integer cachedTokens;
    private final @Nullable Integer createdCacheTokens;
    private final @Nullable Integer reasoningTokens;
    private final Map<String, @Nullable Object> extra;

    private Usage(Builder builder) {
        promptTokens = builder.promptTokens;
        completionTokens = builder.completionTokens;
        cachedTokens = builder.cachedTokens;
        createdCacheTokens = builder.createdCacheTokens;
        reasoningTokens = builder.reasoningTokens;
        extra = builder.extra;
    }

    /** {@return a builder with these counts} */
    public static Builder builder(int promptTokens, int completionTokens) {
        return new Builder(promptTokens, completionTokens);
    }

    /** {@return tokens of the prompt, the cached ones included} */
    public int promptTokens() {
        return promptTokens;
    }

    /** {@return tokens generated, the reasoning ones included} */
    public int completionTokens() {
        return completionTokens;
    }

    /** {@return prompt and completion tokens together} */
    public int totalTokens() {
        return promptTokens + completionTokens;
    }

    /** {@return prompt tokens the engine found in its prefix cache, when it says so} */
    public OptionalInt cachedTokens() {
        return optional(cachedTokens);
    }

    /** {@return prompt tokens the engine wrote to its prefix cache, when it says so} */
    public OptionalInt createdCacheTokens() {
        return optional(createdCacheTokens);
    }

    /** {@return completion tokens spent on reasoning, when the engine says so} */
    public OptionalInt reasoningTokens() {
        return optional(reasoningTokens);
    }

    /** {@return what the wire carried beside these, nested as it stood there} */
    public Map<String, @Nullable Object> extra() {
        return extra;
    }

    private static OptionalInt optional(@Nullable Integer value) {
        return value == null ? OptionalInt.empty() : OptionalInt.of(value);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Usage that
                && promptTokens == that.promptTokens
                && completionTokens == that.completionTokens
                && Objects.equals(cachedTokens, that.cachedTokens)
                && Objects.equals(createdCacheTokens, that.createdCacheTokens)
                && Objects.equals(reasoningTokens, that.reasoningTokens)
                && extra.equals(that.extra);
    }

    @Override
    public int hashCode() {
        return Objects.hash(promptTokens, completionTokens, cachedTokens, createdCacheTokens, reasoningTokens, extra);
    }

    @Override
    public String toString() {
        return "Usage{prompt=" + promptTokens + (cachedTokens == null ? "" : " (" + cachedTokens + " cached)")
                + ", completion=" + completionTokens
                + (reasoningTokens == null ? "" : " (" + reasoningTokens + " reasoning)") + "}";
    }

    /** Builds a {@link Usage}. Not thread-safe. */
    public static final class Builder {
        private final int promptTokens;
        private final int completionTokens;
        private @Nullable Integer cachedTokens;
        private @Nullable Integer createdCacheTokens;
        private @Nullable Integer reasoningTokens;
        private Map<String, @Nullable Object> extra = Map.of();

        private Builder(int promptTokens, int completionTokens) {
            this.promptTokens = Checks.atLeast("promptTokens", promptTokens, 0);
            this.completionTokens = Checks.atLeast("completionTokens", completionTokens, 0);
        }

        /** Sets the prompt tokens found in the engine's prefix cache. */
        public Builder cachedTokens(int tokens) {
            this.cachedTokens = Checks.atLeast("cachedTokens", tokens, 0);
            return this;
        }

        /** Sets the prompt tokens written to the engine's prefix cache. */
        public Builder createdCacheTokens(int tokens) {
            this.createdCacheTokens = Checks.atLeast("createdCacheTokens", tokens, 0);
            return this;
        }

        /** Sets the completion tokens spent on reasoning. */
        public Builder reasoningTokens(int tokens) {
            this.reasoningTokens = Checks.atLeast("reasoningTokens", tokens, 0);
            return this;
        }

        /** Replaces the extra fields. */
        public Builder extra(Map<String, ? extends @Nullable Object> extra) {
            this.extra = JsonValues.copyOf("extra", extra);
            return this;
        }

        /** {@return the usage} */
        public Usage build() {
            return new Usage(this);
        }
    }
}
