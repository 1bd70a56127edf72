/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How a cache checks itself: a small share of hits also goes to a backend, off the caller's path, and the two answers are
 * compared. When it cannot be ruled out any more that too many hits are wrong, the threshold of their group rises, and
 * where that does not help, the group's hits stop for a while. A group is a namespace. Immutable, thread-safe.
 */
public final class Audit {
    /** Share of hits that are checked. */
    public static final double DEFAULT_SHARE = 0.01;
    /** Checks a minute at most, over all groups. */
    public static final int DEFAULT_MAXIMUM_PER_MINUTE = 6;
    /** Share of hits that may be wrong. */
    public static final double DEFAULT_ERROR_BUDGET = 0.05;

    private final double share;
    private final int maximumPerMinute;
    private final double errorBudget;
    private final @Nullable AnswerComparator comparator;

    private Audit(Builder builder) {
        share = builder.share;
        maximumPerMinute = builder.maximumPerMinute;
        errorBudget = builder.errorBudget;
        comparator = builder.comparator;
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return the share of hits that are checked; default {@value #DEFAULT_SHARE}} */
    public double share() {
        return share;
    }

    /** {@return how many checks a minute there are at most; default {@value #DEFAULT_MAXIMUM_PER_MINUTE}} */
    public int maximumPerMinute() {
        return maximumPerMinute;
    }

    /** {@return the share of hits that may be wrong; default {@value #DEFAULT_ERROR_BUDGET}} */
    public double errorBudget() {
        return errorBudget;
    }

    /** {@return who compares answers; empty for equality and embeddings} */
    public Optional<AnswerComparator> comparator() {
        return Optional.ofNullable(comparator);
    }

    /** Builds an {@link Audit}. Not thread-safe. */
    public static final class Builder {
        private double share = DEFAULT_SHARE;
        private int maximumPerMinute = DEFAULT_MAXIMUM_PER_MINUTE;
        private double errorBudget = DEFAULT_ERROR_BUDGET;
        private @Nullable AnswerComparator comparator;

        private Builder() {}

        /** Sets the share of hits that are checked, 0 to 1. */
        public Builder share(double share) {
            this.share = between("share", share);
            return this;
        }

        /** Sets how many checks a minute there are at most, at least 1. */
        public Builder maximumPerMinute(int maximum) {
            if (maximum < 1) {
                throw new IllegalArgumentException("maximumPerMinute must be at least 1, got " + maximum);
            }
            this.maximumPerMinute = maximum;
            return this;
        }

        /** Sets the share of hits that may be wrong, 0 to 1. */
        public Builder errorBudget(double budget) {
            this.errorBudget = between("errorBudget", budget);
            return this;
        }

        /** Sets who compares answers. */
        public Builder comparator(AnswerComparator comparator) {
            this.comparator = comparator;
            return this;
        }

        private static double between(String name, double value) {
            if (!(value >= 0 && value <= 1)) {
                throw new IllegalArgumentException(name + " must be between 0 and 1, got " + value);
            }
            return value;
        }

        /** {@return the audit} */
        public Audit build() {
            return new Audit(this);
        }
    }
}
