/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.Arrays;

/** Counts how often each block is in use; a table of hashes with open addressing. Not thread-safe. */
final class BlockCounts {
    private static final int SMALLEST = 64;

    private long[] hashes = new long[SMALLEST];
    private int[] counts = new int[SMALLEST];
    private int distinct;

    /** {@return how many different blocks are in use} */
    int distinct() {
        return distinct;
    }

    void add(long hash) {
        int slot = find(hash);
        if (counts[slot]++ == 0) {
            hashes[slot] = hash;
            if (++distinct * 2 > counts.length) {
                resize(counts.length * 2);
            }
        }
    }

    void remove(long hash) {
        int slot = find(hash);
        if (counts[slot] == 0) {
            throw new IllegalStateException("a block was given back that was not in use");
        }
        if (--counts[slot] == 0) {
            distinct--;
            closeGap(slot);
            if (counts.length > SMALLEST && distinct * 8 < counts.length) {
                resize(counts.length / 2);
            }
        }
    }

    /** {@return where the hash is, or the free slot where it belongs} */
    private int find(long hash) {
        int slot = home(hash);
        while (counts[slot] != 0 && hashes[slot] != hash) {
            slot = (slot + 1) & (counts.length - 1);
        }
        return slot;
    }

    private int home(long hash) {
        return (int) ((hash * 0x9E3779B97F4A7C15L) >>> 32) & (counts.length - 1);
    }

    /** Moves up those that were put behind the slot because it was taken. */
    private void closeGap(int freed) {
        int mask = counts.length - 1;
        int gap = freed;
        for (int slot = (gap + 1) & mask; counts[slot] != 0; slot = (slot + 1) & mask) {
            int distanceFromHome = (slot - home(hashes[slot])) & mask;
            if (distanceFromHome >= ((slot - gap) & mask)) {
                hashes[gap] = hashes[slot];
                counts[gap] = counts[slot];
                gap = slot;
            }
        }
        counts[gap] = 0;
    }

    private void resize(int capacity) {
        long[] oldHashes = hashes;
        int[] oldCounts = counts;
        hashes = new long[capacity];
        counts = new int[capacity];
        for (int i = 0; i < oldCounts.length; i++) {
            if (oldCounts[i] != 0) {
                int slot = find(oldHashes[i]);
                hashes[slot] = oldHashes[i];
                counts[slot] = oldCounts[i];
            }
        }
    }

    @Override
    public String toString() {
        return "BlockCounts{" + distinct + ", " + Arrays.stream(counts).sum() + " uses}";
    }
}
