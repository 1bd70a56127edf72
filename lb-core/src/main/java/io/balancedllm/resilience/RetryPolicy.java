/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.resilience;

import java.time.Duration;

/**
 * How often a call tries again, and at what price. A failed attempt is repeated while nothing was delivered, at once on
 * an endpoint the call has not tried, else there again after a back-off. Every attempt beyond the first of its call,
 * hedges included, takes one token of a budget that all calls of a balancer share; each call earns a part of one. In a
 * total outage that keeps attempts within {@code (1 + budgetPerCall) x calls + budgetReserve}. A call that finds the
 * budget empty waits for it: to its deadline, without one for {@link #longestWait()}. While no call
 * begins, and so none earns, those that wait are given a token each {@link #BUDGET_TRICKLE}, as long as an endpoint takes
 * attempts that they have not tried. Immutable.
 *
 * <p>Retry budgets are Finagle's; the back-off is exponential with full jitter, after Brooker, "Exponential Backoff And
 * Jitter" (2015).
 */
public final class RetryPolicy {
    /** Attempts of one call, the first included, when nothing else is said. */
    public static final int DEFAULT_MAX_ATTEMPTS = 3;
    /** Tokens of the budget that each call earns, when nothing else is said. */
    public static final double DEFAULT_BUDGET_PER_CALL = 0.2;
    /** Tokens the budget starts with, when nothing else is said. */
    public static final int DEFAULT_BUDGET_RESERVE = 3;
    /** The longest first back-off, when nothing else is said; each further one may be twice as long. */
    public static final Duration DEFAULT_FIRST_BACKOFF = Duration.ofMillis(100);
    /** What back-offs grow to, when nothing else is said. */
    public static final Duration DEFAULT_LONGEST_BACKOFF = Duration.ofSeconds(5);
    /** How long a call without a deadline waits for the budget or for an endpoint, when nothing else is said. */
    public static final Duration DEFAULT_LONGEST_WAIT = Duration.ofMinutes(1);
    /** A pause an endpoint asks for is waited for up to this; one that asks for more is not asked again by the call. */
    public static final Duration LONGEST_RETRY_AFTER = Duration.ofMinutes(1);
    /** Tokens the budget holds at most: what one endpoint had in flight can move at once when it dies. */
    public static final int BUDGET_LIMIT = 100;
    /** Time without new calls after which those that wait for the budget are given a token. */
    public static final Duration BUDGET_TRICKLE = Duration.ofSeconds(1);

    /** The defaults. */
    public static final RetryPolicy DEFAULT = builder().build();

    private static final Duration LONGEST = Duration.ofDays(36_500);

    private final int maxAttempts;
    private final double budgetPerCall;
    private final int budgetReserve;
    private final Duration firstBackoff;
    private final Duration longestBackoff;
    private final Duration longestWait;

    private RetryPolicy(Builder builder) {
        maxAttempts = builder.maxAttempts;
        budgetPerCall = builder.budgetPerCall;
        budgetReserve = builder.budgetReserve;
        firstBackoff = builder.firstBackoff;
        longestBackoff = builder.longestBackoff;
        longestWait = builder.longestWait;
    }

    /** {@return a policy under which every call makes one attempt} Hedges count as attempts, so there are none either. */
    public static RetryPolicy none() {
        return builder().maxAttempts(1).build();
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return attempts of one call, the first and hedges included; default {@value #DEFAULT_MAX_ATTEMPTS}} */
    public int maxAttempts() {
        return maxAttempts;
    }

    /** {@return tokens of the budget that each call earns; default {@value #DEFAULT_BUDGET_PER_CALL}} */
    public double budgetPerCall() {
        return budgetPerCall;
    }

    /** {@return tokens the budget starts with; default {@value #DEFAULT_BUDGET_RESERVE}} */
    public int budgetReserve() {
        return budgetReserve;
    }

    /** {@return the longest back-off before the first return to an endpoint; default 100 ms} */
    public Duration firstBackoff() {
        return firstBackoff;
    }

    /** {@return what back-offs grow to; default 5 s} */
    public Duration longestBackoff() {
        return longestBackoff;
    }

    /** {@return how long a call without a deadline waits for the budget or for an endpoint; default 60 s} */
    public Duration longestWait() {
        return longestWait;
    }

    @Override
    public String toString() {
        return "RetryPolicy{maxAttempts=" + maxAttempts + ", budget=" + budgetPerCall + " per call, reserve "
                + budgetReserve + ", backoff=" + firstBackoff + " to " + longestBackoff + "}";
    }

    /** Builds a {@link RetryPolicy}. Not thread-safe. */
    public static final class Builder {
        private int maxAttempts = DEFAULT_MAX_ATTEMPTS;
        private double budgetPerCall = DEFAULT_BUDGET_PER_CALL;
        private int budgetReserve = DEFAULT_BUDGET_RESERVE;
        private Duration firstBackoff = DEFAULT_FIRST_BACKOFF;
        private Duration longestBackoff = DEFAULT_LONGEST_BACKOFF;
        private Duration longestWait = DEFAULT_LONGEST_WAIT;

        private Builder() {}

        /** Sets how many attempts a call makes, at least 1: the first, and hedges, included. */
        public Builder maxAttempts(int attempts) {
            if (attempts < 1) {
                throw new IllegalArgumentException("maxAttempts must be at least 1, got " + attempts);
            }
            this.maxAttempts = attempts;
            return this;
        }

        /** Sets the tokens each call earns for all, from 0 to 10: extra attempts per call in the long run; at 0, no call is given any. */
        public Builder budgetPerCall(double tokens) {
            if (!(tokens >= 0 && tokens <= 10)) {
                throw new IllegalArgumentException("budgetPerCall must be 0 to 10, got " + tokens);
            }
            this.budgetPerCall = tokens;
            return this;
        }

        /** Sets the tokens the budget starts with, 0 to {@value #BUDGET_LIMIT}. */
        public Builder budgetReserve(int tokens) {
            if (tokens < 0 || tokens > BUDGET_LIMIT) {
                throw new IllegalArgumentException("budgetReserve must be 0 to " + BUDGET_LIMIT + ", got " + tokens);
            }
            this.budgetReserve = tokens;
            return this;
        }

        /**
         * Sets the back-off before a call returns to an endpoint it tried: uniform between zero and {@code first} the
         * first time, twice that the second, up to {@code longest}.
         */
        public Builder backoff(Duration first, Duration longest) {
            positive("first", first);
            if (positive("longest", longest).compareTo(first) < 0) {
                throw new IllegalArgumentException(
                        "backoff: longest must not be below first, got " + first + " and " + longest);
            }
            this.firstBackoff = first;
            this.longestBackoff = longest;
            return this;
        }

        /** Sets how long a call without a deadline waits for the budget, or for an endpoint while all are cooling. */
        public Builder longestWait(Duration wait) {
            this.longestWait = positive("longestWait", wait);
            return this;
        }

        private static Duration positive(String name, Duration value) {
            if (value.isNegative() || value.isZero() || value.compareTo(LONGEST) > 0) {
                throw new IllegalArgumentException(name + " must be positive and at most a century, got " + value);
            }
            return value;
        }

        /** {@return the policy} */
        public RetryPolicy build() {
            return new RetryPolicy(this);
        }
    }
}
