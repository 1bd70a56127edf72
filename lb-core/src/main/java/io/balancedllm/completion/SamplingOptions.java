/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.util.Objects;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * How tokens are drawn. What is not set is left to the engine and not sent. {@code top_k}, {@code min_p} and
 * {@code repetition_penalty} are extensions that vLLM, SGLang, llama.cpp and the in-process GPT-2 know and the OpenAI
 * service refuses. Immutable and thread-safe.
 */
public final class SamplingOptions {
    /** Nothing set: the engine decides. */
    public static final SamplingOptions DEFAULT = builder().build();

    private final @Nullable Double temperature;
    private final @Nullable Double topP;
    private final @Nullable Integer topK;
    private final @Nullable Double minP;
    private final @Nullable Double repetitionPenalty;
    private final @Nullable Double presencePenalty;
    private final @Nullable Double frequencyPenalty;
    private final @Nullable Long seed;

    private SamplingOptions(Builder builder) {
        temperature = builder.temperature;
        topP = builder.topP;
        topK = builder.topK;
        minP = builder.minP;
        repetitionPenalty = builder.repetitionPenalty;
        presencePenalty = builder.presencePenalty;
        frequencyPenalty = builder.frequencyPenalty;
        seed = builder.seed;
    }

    /** {@return a builder with nothing set} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return a builder that starts as a copy of these options} */
    public Builder newBuilder() {
        Builder builder = new Builder();
        builder.temperature = temperature;
        builder.topP = topP;
        builder.topK = topK;
        builder.minP = minP;
        builder.repetitionPenalty = repetitionPenalty;
        builder.presencePenalty = presencePenalty;
        builder.frequencyPenalty = frequencyPenalty;
        builder.seed = seed;
        return builder;
    }

    /** {@return the divisor of the logits; 0 is greedy} */
    public OptionalDouble temperature() {
        return optional(temperature);
    }

    /** {@return the smallest cumulative probability to sample from} */
    public OptionalDouble topP() {
        return optional(topP);
    }

    /** {@return how many of the most probable tokens to sample from; 0 or -1 is all} */
    public OptionalInt topK() {
        return topK == null ? OptionalInt.empty() : OptionalInt.of(topK);
    }

    /** {@return the least probability, relative to the most probable token} */
    public OptionalDouble minP() {
        return optional(minP);
    }

    /** {@return the factor against tokens seen in prompt or output; 1 is none} */
    public OptionalDouble repetitionPenalty() {
        return optional(repetitionPenalty);
    }

    /** {@return what is subtracted from the logit of a token that was generated before} */
    public OptionalDouble presencePenalty() {
        return optional(presencePenalty);
    }

    /** {@return what is subtracted from the logit of a token for each time it was generated before} */
    public OptionalDouble frequencyPenalty() {
        return optional(frequencyPenalty);
    }

    /** {@return the seed that makes sampling repeatable where the engine can} */
    public OptionalLong seed() {
        return seed == null ? OptionalLong.empty() : OptionalLong.of(seed);
    }

    private static OptionalDouble optional(@Nullable Double value) {
        return value == null ? OptionalDouble.empty() : OptionalDouble.of(value);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof SamplingOptions that
                && Objects.equals(temperature, that.temperature)
                && Objects.equals(topP, that.topP)
                && Objects.equals(topK, that.topK)
                && Objects.equals(minP, that.minP)
                && Objects.equals(repetitionPenalty, that.repetitionPenalty)
                && Objects.equals(presencePenalty, that.presencePenalty)
                && Objects.equals(frequencyPenalty, that.frequencyPenalty)
                && Objects.equals(seed, that.seed);
    }

    @Override
    public int hashCode() {
        return Objects.hash(temperature, topP, topK, minP, repetitionPenalty, presencePenalty, frequencyPenalty, seed);
    }

    @Override
    public String toString() {
        return "SamplingOptions{temperature=" + temperature + ", topP=" + topP + ", topK=" + topK + ", minP=" + minP
                + ", repetitionPenalty=" + repetitionPenalty + ", presencePenalty=" + presencePenalty
                + ", frequencyPenalty=" + frequencyPenalty + ", seed=" + seed + "}";
    }

    /** Builds {@link SamplingOptions}. Every setter refuses a value no engine accepts. Not thread-safe. */
    public static final class Builder {
        private @Nullable Double temperature;
        private @Nullable Double topP;
        private @Nullable Integer topK;
        private @Nullable Double minP;
        private @Nullable Double repetitionPenalty;
        private @Nullable Double presencePenalty;
        private @Nullable Double frequencyPenalty;
        private @Nullable Long seed;

        private Builder() {}

        /** Sets the temperature, 0 or more; 0 is greedy. */
        public Builder temperature(double temperature) {
            this.temperature = Checks.between("temperature", temperature, 0, Double.MAX_VALUE);
            return this;
        }

        /** Sets top-p, 0 to 1. */
        public Builder topP(double topP) {
            this.topP = Checks.between("topP", topP, 0, 1);
            return this;
        }

        /** Sets top-k; 0 or -1 samples from all tokens. */
        public Builder topK(int topK) {
            this.topK = Checks.atLeast("topK", topK, -1);
            return this;
        }

        /** Sets min-p, 0 to 1. */
        public Builder minP(double minP) {
            this.minP = Checks.between("minP", minP, 0, 1);
            return this;
        }

        /** Sets the repetition penalty, above 0; 1 is none. */
        public Builder repetitionPenalty(double penalty) {
            this.repetitionPenalty = Checks.between("repetitionPenalty", penalty, Double.MIN_VALUE, Double.MAX_VALUE);
            return this;
        }

        /** Sets the presence penalty, any finite number. */
        public Builder presencePenalty(double penalty) {
            this.presencePenalty = Checks.finite("presencePenalty", penalty);
            return this;
        }

        /** Sets the frequency penalty, any finite number. */
        public Builder frequencyPenalty(double penalty) {
            this.frequencyPenalty = Checks.finite("frequencyPenalty", penalty);
            return this;
        }

        /** Sets the seed. */
        public Builder seed(long seed) {
            this.seed = seed;
            return this;
        }

        /** {@return the options} */
        public SamplingOptions build() {
            return new SamplingOptions(this);
        }
    }
}
