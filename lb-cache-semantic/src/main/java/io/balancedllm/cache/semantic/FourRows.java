/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

/**
 * Adds multiples of rows to a sum, in the one form that HotSpot of Java 17 turns into instructions on vectors: each row an
 * array of its own. Rows within one array, at offsets, take four times as long; four rows at a time read and write the sum
 * less often.
 */
final class FourRows {
    private FourRows() {}

    /** Adds four rows, the first of them and its factor at this place, to so many sums. */
    static void add(float[] sums, int count, float[][] rows, float[] factors, int first) {
        add(
                sums,
                count,
                rows[first],
                rows[first + 1],
                rows[first + 2],
                rows[first + 3],
                factors[first],
                factors[first + 1],
                factors[first + 2],
                factors[first + 3]);
    }

    private static void add(
            float[] sums,
            int count,
            float[] row0,
            float[] row1,
            float[] row2,
            float[] row3,
            float f0,
            float f1,
            float f2,
            float f3) {
        for (int i = 0; i < count; i++) {
            sums[i] += f0 * row0[i] + f1 * row1[i] + f2 * row2[i] + f3 * row3[i];
        }
    }
}
