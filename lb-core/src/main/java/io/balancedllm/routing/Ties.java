/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import java.util.random.RandomGenerator;

/**
 * Chooses among equals while they are found one after another, by weight and with one draw of chance for all of them.
 * Reservoir sampling: after each step the choice is any of the equals seen so far.
 */
final class Ties {
    private static final double TO_UNIT = 0x1.0p-53;

    private Ties() {}

    /** {@return the state to start with} */
    static long seed(RandomGenerator random) {
        return random.nextLong();
    }

    /** {@return the state after a step of Knuth's MMIX generator: its upper bits are good enough to choose by} */
    static long next(long state) {
        return state * 6_364_136_223_846_793_005L + 1_442_695_040_888_963_407L;
    }

    /** {@return whether a newcomer of this weight takes the place} The weight of all includes its own. */
    static boolean takes(long state, double weight, double weightOfAll) {
        return (state >>> 11) * TO_UNIT * weightOfAll < weight;
    }
}
