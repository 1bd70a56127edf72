/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import org.jspecify.annotations.Nullable;

/**
 * What a step costs, learned from the steps so far: seconds whatever is in it, which is mostly reading the weights, and
 * seconds for each token it feeds. A line through the recent steps, in which later steps count more; while all steps were
 * alike their slope is not known, and what was known before stays. Written by the engine thread, read by any.
 */
final class StepCosts {
    /** What one step counts, usually. */
    static final double WEIGHT = 0.05;

    /** Square tokens by which steps must differ before they move the slope much. */
    private static final double RIDGE = 64;

    private final double weight;
    private final @Nullable StepCosts like;
    private double meanRows;
    private double meanSeconds;
    private double variance;
    private double covariance;
    private volatile double perRow;
    private volatile double base;
    private volatile int steps;
    private volatile boolean tokenKnown;

    StepCosts() {
        this(WEIGHT, null);
    }

    /**
     * Knows nothing yet.
     *
     * @param weight what one step counts among those before it
     * @param like what steps cost in other circumstances; a token's share of a step is the same until more is known
     */
    StepCosts(double weight, @Nullable StepCosts like) {
        this.weight = weight;
        this.like = like;
    }

    /** Takes the time of a step that fed this many tokens. */
    void learn(int rows, double seconds) {
        // Until that weight is reached each step counts as much as any before it.
        double part = Math.max(weight, 1.0 / (steps + 1));
        double rowsOff = rows - meanRows;
        double secondsOff = seconds - meanSeconds;
        meanRows += part * rowsOff;
        meanSeconds += part * secondsOff;
        variance = (1 - part) * (variance + part * rowsOff * rowsOff);
        covariance = (1 - part) * (covariance + part * rowsOff * secondsOff);
        double ratio = meanSeconds / meanRows;
        double before = steps == 0 ? firstGuess(rows, seconds) : perRow;
        perRow = Math.max(0, Math.min(ratio, (covariance + RIDGE * before) / (variance + RIDGE)));
        base = Math.max(0, meanSeconds - perRow * meanRows);
        tokenKnown |= variance >= RIDGE;
        steps = Math.min(steps, Integer.MAX_VALUE - 1) + 1;
    }

    /** At first a token is thought to cost as if there were nothing else: chunks begin small. */
    private double firstGuess(int rows, double seconds) {
        return like == null || !like.known() ? seconds / rows : seconds * like.perRow / like.seconds(rows);
    }

    /** {@return whether any step has been seen} */
    boolean known() {
        return steps > 0;
    }

    /** {@return whether steps have been seen that differ enough to tell a token's cost from that of a step} */
    boolean tokenKnown() {
        return tokenKnown;
    }

    /** {@return the seconds one more token adds to a step} */
    double secondsPerToken() {
        return perRow;
    }

    /** {@return the seconds of a step that feeds this many tokens} */
    double seconds(int rows) {
        return base + perRow * rows;
    }

    /** {@return how many tokens a step can feed in this time beside those it feeds anyway, 0 or more} */
    int tokensWithin(double seconds, int rows) {
        double left = seconds - seconds(rows);
        return left <= 0 ? 0 : (int) Math.min(Integer.MAX_VALUE, left / perRow);
    }

    @Override
    public String toString() {
        return "StepCosts{" + base + " s and " + perRow + " s a token}";
    }
}
