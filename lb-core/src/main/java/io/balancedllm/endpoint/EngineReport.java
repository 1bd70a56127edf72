/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * What an engine says about its load and its size, at one moment. Each value is there or not: absent is never zero.
 * Immutable.
 */
public final class EngineReport {
    private final long nanos;
    private final @Nullable Integer running;
    private final @Nullable Integer waiting;
    private final @Nullable Double kvUsage;
    private final @Nullable Integer kvBlocks;
    private final @Nullable Integer blockTokens;
    private final @Nullable Long kvTokens;
    private final @Nullable Integer maxSequences;
    private final @Nullable Long waitingPromptTokens;
    private final @Nullable Double secondsPerPromptToken;
    private final @Nullable Double secondsPerStep;
    private final @Nullable String kernel;

    private EngineReport(Builder builder, long nanos) {
        this.nanos = nanos;
        running = builder.running;
        waiting = builder.waiting;
        kvUsage = builder.kvUsage;
        kvBlocks = builder.kvBlocks;
        blockTokens = builder.blockTokens;
        kvTokens = builder.kvTokens;
        maxSequences = builder.maxSequences;
        waitingPromptTokens = builder.waitingPromptTokens;
        secondsPerPromptToken = builder.secondsPerPromptToken;
        secondsPerStep = builder.secondsPerStep;
        kernel = builder.kernel;
    }

    /**
     * {@return a builder of a report with nothing in it, whose time the balancer sets when it takes the report} What
     * backends use: they do not know the balancer's clock.
     */
    public static Builder builder() {
        return new Builder(0);
    }

    /**
     * {@return a builder of a report with nothing in it}
     *
     * @param nanos when the engine was asked, in nanoseconds of the balancer's ticker: what was sent to it since is not
     *     in the report
     */
    public static Builder builder(long nanos) {
        return new Builder(nanos);
    }

    /** {@return when the engine was asked, in nanoseconds of the balancer's ticker} */
    public long nanos() {
        return nanos;
    }

    /**
     * {@return the same report, as of another time}
     *
     * @param nanos nanoseconds of the balancer's ticker
     */
    public EngineReport at(long nanos) {
        return new EngineReport(newBuilder(), nanos);
    }

    /** {@return a builder that starts as a copy of this report} */
    public Builder newBuilder() {
        Builder builder = new Builder(nanos);
        builder.running = running;
        builder.waiting = waiting;
        builder.kvUsage = kvUsage;
        builder.kvBlocks = kvBlocks;
        builder.blockTokens = blockTokens;
        builder.kvTokens = kvTokens;
        builder.maxSequences = maxSequences;
        builder.waitingPromptTokens = waitingPromptTokens;
        builder.secondsPerPromptToken = secondsPerPromptToken;
        builder.secondsPerStep = secondsPerStep;
        builder.kernel = kernel;
        return builder;
    }

    /** {@return whether it says nothing} */
    public boolean isEmpty() {
        return running == null
                && waiting == null
                && kvUsage == null
                && kvBlocks == null
                && blockTokens == null
                && kvTokens == null
                && maxSequences == null
                && waitingPromptTokens == null
                && secondsPerPromptToken == null
                && secondsPerStep == null
                && kernel == null;
    }

    /** {@return requests in the engine, running and waiting, of all its clients, when it tells both} */
    public OptionalInt requests() {
        return running == null || waiting == null
                ? OptionalInt.empty()
                : OptionalInt.of((int) Math.min(Integer.MAX_VALUE, (long) running + waiting));
    }

    /** {@return requests it works on, of all its clients} */
    public OptionalInt running() {
        return optional(running);
    }

    /** {@return requests that wait inside the engine, of all its clients} */
    public OptionalInt waiting() {
        return optional(waiting);
    }

    /** {@return the share of its KV cache in use, 0 to 1} */
    public OptionalDouble kvUsage() {
        return kvUsage == null ? OptionalDouble.empty() : OptionalDouble.of(kvUsage);
    }

    /** {@return how many blocks its KV cache has} */
    public OptionalInt kvBlocks() {
        return optional(kvBlocks);
    }

    /** {@return tokens in a block of its KV cache} */
    public OptionalInt blockTokens() {
        return optional(blockTokens);
    }

    /** {@return how many tokens its KV cache holds, when it says so or tells both blocks and their size} */
    public OptionalLong kvCapacityTokens() {
        if (kvTokens != null) {
            return OptionalLong.of(kvTokens);
        }
        return kvBlocks == null || blockTokens == null
                ? OptionalLong.empty()
                : OptionalLong.of((long) kvBlocks * blockTokens);
    }

    /** {@return how many sequences it works on at most at a time} */
    public OptionalInt maxSequences() {
        return optional(maxSequences);
    }

    /** {@return prompt tokens that wait for their prefill, of all its clients} */
    public OptionalLong waitingPromptTokens() {
        return waitingPromptTokens == null ? OptionalLong.empty() : OptionalLong.of(waitingPromptTokens);
    }

    /** {@return the seconds that one more prompt token adds to a step, as the engine has learned it} */
    public OptionalDouble secondsPerPromptToken() {
        return secondsPerPromptToken == null ? OptionalDouble.empty() : OptionalDouble.of(secondsPerPromptToken);
    }

    /** {@return the seconds of a step that gives each running sequence one token, as the engine has learned it} */
    public OptionalDouble secondsPerStep() {
        return secondsPerStep == null ? OptionalDouble.empty() : OptionalDouble.of(secondsPerStep);
    }

    /** {@return what computes, in the engine's own words} */
    public Optional<String> kernel() {
        return Optional.ofNullable(kernel);
    }

    private static OptionalInt optional(@Nullable Integer value) {
        return value == null ? OptionalInt.empty() : OptionalInt.of(value);
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("EngineReport{");
        add(text, "running", running);
        add(text, "waiting", waiting);
        add(text, "kvUsage", kvUsage);
        add(text, "kvBlocks", kvBlocks);
        add(text, "blockTokens", blockTokens);
        add(text, "kvTokens", kvTokens);
        add(text, "maxSequences", maxSequences);
        add(text, "waitingPromptTokens", waitingPromptTokens);
        add(text, "secondsPerPromptToken", secondsPerPromptToken);
        add(text, "secondsPerStep", secondsPerStep);
        add(text, "kernel", kernel);
        return text.append('}').toString();
    }

    private static void add(StringBuilder text, String name, @Nullable Object value) {
        if (value != null) {
            if (text.charAt(text.length() - 1) != '{') {
                text.append(", ");
            }
            text.append(name).append(' ').append(value);
        }
    }

    /** Builds an {@link EngineReport}. Not thread-safe. */
    public static final class Builder {
        private final long nanos;
        private @Nullable Integer running;
        private @Nullable Integer waiting;
        private @Nullable Double kvUsage;
        private @Nullable Integer kvBlocks;
        private @Nullable Integer blockTokens;
        private @Nullable Long kvTokens;
        private @Nullable Integer maxSequences;
        private @Nullable Long waitingPromptTokens;
        private @Nullable Double secondsPerPromptToken;
        private @Nullable Double secondsPerStep;
        private @Nullable String kernel;

        private Builder(long nanos) {
            this.nanos = nanos;
        }

        /** Sets the requests it works on, at least 0. */
        public Builder running(int requests) {
            this.running = (int) atLeast(0, "running", requests);
            return this;
        }

        /** Sets the requests that wait inside, at least 0. */
        public Builder waiting(int requests) {
            this.waiting = (int) atLeast(0, "waiting", requests);
            return this;
        }

        /** Sets the share of the KV cache in use, 0 to 1. */
        public Builder kvUsage(double share) {
            if (!(share >= 0 && share <= 1)) {
                throw new IllegalArgumentException("kvUsage must be 0 to 1, got " + share);
            }
            this.kvUsage = share;
            return this;
        }

        /** Sets how many blocks the KV cache has, at least 1. */
        public Builder kvBlocks(int blocks) {
            this.kvBlocks = (int) atLeast(1, "kvBlocks", blocks);
            return this;
        }

        /** Sets the tokens in a block, at least 1. */
        public Builder blockTokens(int tokens) {
            this.blockTokens = (int) atLeast(1, "blockTokens", tokens);
            return this;
        }

        /** Sets how many tokens the KV cache holds, at least 1, where blocks and their size do not tell it. */
        public Builder kvCapacityTokens(long tokens) {
            this.kvTokens = atLeast(1, "kvCapacityTokens", tokens);
            return this;
        }

        /** Sets how many sequences are worked on at a time, at least 1. */
        public Builder maxSequences(int sequences) {
            this.maxSequences = (int) atLeast(1, "maxSequences", sequences);
            return this;
        }

        /** Sets the prompt tokens that wait for their prefill, at least 0. */
        public Builder waitingPromptTokens(long tokens) {
            this.waitingPromptTokens = atLeast(0, "waitingPromptTokens", tokens);
            return this;
        }

        /** Sets the seconds that one more prompt token adds to a step; finite, at least 0. */
        public Builder secondsPerPromptToken(double seconds) {
            this.secondsPerPromptToken = seconds("secondsPerPromptToken", seconds);
            return this;
        }

        /** Sets the seconds of a step that gives each running sequence one token; finite, at least 0. */
        public Builder secondsPerStep(double seconds) {
            this.secondsPerStep = seconds("secondsPerStep", seconds);
            return this;
        }

        /** Names what computes. */
        public Builder kernel(String name) {
            this.kernel = name;
            return this;
        }

        private static double seconds(String name, double value) {
            if (!(value >= 0 && Double.isFinite(value))) {
                throw new IllegalArgumentException(name + " must be finite and at least 0, got " + value);
            }
            return value;
        }

        private static long atLeast(long least, String name, long value) {
            if (value < least) {
                throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
            }
            return value;
        }

        /** {@return the report} */
        public EngineReport build() {
            return new EngineReport(this, nanos);
        }
    }
}
