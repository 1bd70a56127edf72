/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

/** Argument checks that name the argument and the value they refuse. */
final class Checks {
    private Checks() {}

    static String notBlank(String name, String value) {
        if (value.isBlank()) {
            throw new IllegalArgumentException(name + " must not be blank");
        }
        return value;
    }

    static int atLeast(String name, int value, int minimum) {
        if (value < minimum) {
            throw new IllegalArgumentException(name + " must be at least " + minimum + ", got " + value);
        }
        return value;
    }

    static double finite(String name, double value) {
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException(name + " must be a finite number, got " + value);
        }
        return value;
    }

    static double between(String name, double value, double minimum, double maximum) {
        if (!(value >= minimum && value <= maximum) || Double.isInfinite(value)) {
            throw new IllegalArgumentException(name + " must be a finite number between " + minimum + " and "
                    + (maximum == Double.MAX_VALUE ? "infinity" : maximum) + ", got " + value);
        }
        return value;
    }
}
