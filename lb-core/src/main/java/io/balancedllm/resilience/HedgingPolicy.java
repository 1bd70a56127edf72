/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.resilience;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * When a call that has no token yet starts a second attempt on another endpoint. The attempt whose token comes first
 * goes on, the other is cancelled, which says nothing about its endpoint. A call hedges once; a hedge is an attempt of
 * {@link RetryPolicy#maxAttempts()} and takes a token of the retry budget: without one there is no hedge, and the call
 * goes on as it is. For an embedding request the vectors are what counts as its token. Calls that are not
 * {@linkplain io.balancedllm.completion.CallOptions#retryable() retryable} are not hedged. Immutable.
 *
 * <p>Worth it where the time to first token (TTFT) varies for reasons of the endpoint. Not where it varies with the
 * prompt, and not under overload: a hedge doubles the prefill of its call. After Dean and Barroso, "The Tail at Scale"
 * (2013).
 */
public final class HedgingPolicy {
    /** Answers a learned quantile rests on; there is no hedge before as many have come. */
    public static final int LEAST_SAMPLES = 50;

    /** No hedging, the default. */
    public static final HedgingPolicy OFF = new HedgingPolicy(null, Double.NaN);

    private static final Duration LONGEST = Duration.ofDays(36_500);

    private final @Nullable Duration delay;
    private final double quantile;

    private HedgingPolicy(@Nullable Duration delay, double quantile) {
        this.delay = delay;
        this.quantile = quantile;
    }

    /**
     * {@return hedging of a call that has waited for its first token longer than most lately did}
     *
     * @param quantile of the TTFT of recent attempts, above 0 and below 1; 0.95 hedges about one call in twenty
     */
    public static HedgingPolicy afterTimeToFirstTokenQuantile(double quantile) {
        if (!(quantile > 0 && quantile < 1)) {
            throw new IllegalArgumentException("quantile must be above 0 and below 1, got " + quantile);
        }
        return new HedgingPolicy(null, quantile);
    }

    /** {@return hedging of a call that has waited this long for its first token; zero hedges every call} */
    public static HedgingPolicy after(Duration delay) {
        if (delay.isNegative() || delay.compareTo(LONGEST) > 0) {
            throw new IllegalArgumentException("delay must be 0 to a century, got " + delay);
        }
        return new HedgingPolicy(delay, Double.NaN);
    }

    /** {@return whether calls are hedged at all} */
    public boolean enabled() {
        return delay != null || !Double.isNaN(quantile);
    }

    /** {@return the fixed delay, if there is one} */
    public Optional<Duration> delay() {
        return Optional.ofNullable(delay);
    }

    /** {@return the quantile of the TTFT that is the delay, if it is learned} */
    public OptionalDouble quantile() {
        return Double.isNaN(quantile) ? OptionalDouble.empty() : OptionalDouble.of(quantile);
    }

    @Override
    public String toString() {
        return "HedgingPolicy{"
                + (!enabled() ? "off" : delay == null ? "after TTFT quantile " + quantile : "after " + delay) + "}";
    }
}
