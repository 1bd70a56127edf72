/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.train;

import java.util.OptionalInt;

/**
 * How long to train and how far each step goes: warm-up, then half a cosine down to a twentieth. Laid over a number of steps, or
 * over an amount of time, where the machine decides how many steps that is.
 *
 * @param steps how many steps, or empty for as many as fit
 * @param seconds how long, where steps are not given
 */
record Schedule(OptionalInt steps, double seconds) {
    /** The learning rate at the end of the warm-up. */
    static final double PEAK_LEARNING_RATE = 2e-3;

    static final double LAST_SHARE = 0.05;

    static final int WARM_UP_STEPS = 100;

    /** {@return from 0 at the beginning to 1 at the end} */
    double progress(int done, double elapsed) {
        return Math.min(1, steps.isPresent() ? (double) done / steps.getAsInt() : elapsed / seconds);
    }

    boolean isOver(int done, double elapsed) {
        return progress(done, elapsed) >= 1;
    }

    double learningRate(int done, double elapsed) {
        double warm = Math.min(1, (done + 1.0) / WARM_UP_STEPS);
        double cosine = (1 + Math.cos(Math.PI * progress(done, elapsed))) / 2;
        return PEAK_LEARNING_RATE * warm * (LAST_SHARE + (1 - LAST_SHARE) * cosine);
    }
}
