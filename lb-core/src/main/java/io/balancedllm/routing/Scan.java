/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import java.util.random.RandomGenerator;

/**
 * Which candidates a policy that compares looks at: all while they are few, else a sample. The best of 32 is
 * hardly worse than the best of all, costs the same in a fleet of any size, and keeps clients that share a fleet from all
 * choosing the same one.
 *
 * @see <a href="https://www.eecs.harvard.edu/~michaelm/postscripts/handbook2001.pdf">Mitzenmacher et al., The Power of Two
 *     Random Choices: A Survey of Techniques and Results, 2001</a>
 */
final class Scan {
    /** Up to how many candidates are all looked at. */
    static final int FULL_SCAN_LIMIT = 64;

    /** How many are looked at of more than that: each so many-th from one drawn at random. */
    static final int SAMPLE = 32;

    private Scan() {}

    /** {@return how many of these many candidates to look at} */
    static int count(int size) {
        return size <= FULL_SCAN_LIMIT ? size : SAMPLE;
    }

    /** {@return where to begin} */
    static int start(int size, RandomGenerator random) {
        return size <= FULL_SCAN_LIMIT ? 0 : random.nextInt(size);
    }

    /** {@return the place of the one to look at as number i} */
    static int place(int i, int size, int start) {
        if (size <= FULL_SCAN_LIMIT) {
            return i;
        }
        int place = start + i * (size / SAMPLE);
        return place < size ? place : place - size;
    }
}
