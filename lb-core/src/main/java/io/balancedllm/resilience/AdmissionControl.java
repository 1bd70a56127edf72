/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.resilience;

import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Which calls are let in when endpoints are full. Calls wait in one line, the more urgent
 * ({@link io.balancedllm.completion.CallOptions#priority()}) first and then first come first served; the line is bounded,
 * and a call of which its drain rate says that it cannot start before its deadline is refused at once, with
 * {@link io.balancedllm.completion.LlmException.Reason#REJECTED} and when to come back. Immutable.
 */
public final class AdmissionControl {
    /** Calls that may wait for room when nothing else is said; one more is refused. */
    public static final int DEFAULT_MAX_WAITING = 1_024;
    /** Starts out of the line that its drain rate rests on; no call is refused for its deadline before as many. */
    public static final int LEAST_SAMPLES = 8;
    /** What an adaptive limit is multiplied by when an endpoint is slow. */
    public static final double DECREASE = 0.9;
    /** Where an adaptive limit begins. */
    public static final int FIRST_LIMIT = 8;

    /** The defaults. */
    public static final AdmissionControl DEFAULT = builder().build();

    private static final Duration LONGEST = Duration.ofDays(36_500);

    private final int maxWaiting;
    private final boolean shedding;
    private final @Nullable Duration targetTimeToFirstToken;

    private AdmissionControl(Builder builder) {
        maxWaiting = builder.maxWaiting;
        shedding = builder.shedding;
        targetTimeToFirstToken = builder.targetTimeToFirstToken;
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return a builder that starts as a copy of this} */
    public Builder newBuilder() {
        Builder builder = new Builder();
        builder.maxWaiting = maxWaiting;
        builder.shedding = shedding;
        builder.targetTimeToFirstToken = targetTimeToFirstToken;
        return builder;
    }

    /** {@return how many calls may wait for room; default {@value #DEFAULT_MAX_WAITING}} */
    public int maxWaiting() {
        return maxWaiting;
    }

    /** {@return whether calls that cannot start in time are refused at once; default true} */
    public boolean shedding() {
        return shedding;
    }

    /** {@return the TTFT that adaptive limits aim at; none, the default, when limits are fixed} */
    public Optional<Duration> targetTimeToFirstToken() {
        return Optional.ofNullable(targetTimeToFirstToken);
    }

    @Override
    public String toString() {
        return "AdmissionControl{maxWaiting=" + maxWaiting + ", shedding=" + shedding
                + (targetTimeToFirstToken == null ? "" : ", targetTimeToFirstToken=" + targetTimeToFirstToken) + "}";
    }

    /** Builds an {@link AdmissionControl}. Not thread-safe. */
    public static final class Builder {
        private int maxWaiting = DEFAULT_MAX_WAITING;
        private boolean shedding = true;
        private @Nullable Duration targetTimeToFirstToken;

        private Builder() {}

        /** Sets how many calls may wait for room; 0 refuses at once. */
        public Builder maxWaiting(int calls) {
            if (calls < 0) {
                throw new IllegalArgumentException("maxWaiting must be at least 0, got " + calls);
            }
            this.maxWaiting = calls;
            return this;
        }

        /** Says whether calls that cannot start in time are refused at once, instead of at their deadline. */
        public Builder shedding(boolean shedding) {
            this.shedding = shedding;
            return this;
        }

        /**
         * Adapts how many attempts each endpoint takes at a time, so that its time to first token stays near a target:
         * up by one for each limit's worth of first tokens in time while the endpoint is at its limit, down to
         * nine tenths for one that is late or an endpoint that says it is overloaded (additive increase, multiplicative
         * decrease). Begins at {@value AdmissionControl#FIRST_LIMIT}; the endpoint's own {@code maxConcurrency} stays the
         * ceiling.
         */
        public Builder targetTimeToFirstToken(Duration target) {
            if (target.isNegative() || target.isZero() || target.compareTo(LONGEST) > 0) {
                throw new IllegalArgumentException(
                        "targetTimeToFirstToken must be positive and at most a century, got " + target);
            }
            this.targetTimeToFirstToken = target;
            return this;
        }

        /** {@return the control} */
        public AdmissionControl build() {
            return new AdmissionControl(this);
        }
    }
}
