/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.Arrays;

/**
 * The block ids seen last, as many as there is room for: what a router believes an engine to hold when it knows no more
 * than what it sent there. Not thread-safe.
 */
final class BlockLru {
    private static final int INITIAL_NODES = 64;

    private final int capacity;
    private final BlockTable nodes = new BlockTable();
    /** A ring through node 0, the least recent first. */
    private long[] ids = new long[INITIAL_NODES];

    private int[] before = new int[INITIAL_NODES];
    private int[] after = new int[INITIAL_NODES];
    private int used = 1;

    BlockLru(int capacity) {
        this.capacity = capacity;
    }

    int size() {
        return nodes.size();
    }

    /** {@return how many of the first {@code limit} blocks are there, up to the first that is not} */
    int prefix(long[] blocks, int limit) {
        int found = 0;
        while (found < limit && nodes.get(blocks[found]) != 0) {
            found++;
        }
        return found;
    }

    /** Makes all of these the most recent, the first of them most of all: the end of a prefix goes first. */
    void addAll(long[] blocks) {
        for (int i = blocks.length - 1; i >= 0; i--) {
            add(blocks[i]);
        }
    }

    private void add(long id) {
        int node = nodes.get(id);
        if (node != 0) {
            unlink(node);
        } else {
            node = nodes.size() < capacity ? fresh() : evict();
            ids[node] = id;
            nodes.put(id, node);
        }
        before[node] = before[0];
        after[node] = 0;
        after[before[0]] = node;
        before[0] = node;
    }

    private int fresh() {
        if (used == ids.length) {
            ids = Arrays.copyOf(ids, 2 * used);
            before = Arrays.copyOf(before, 2 * used);
            after = Arrays.copyOf(after, 2 * used);
        }
        return used++;
    }

    private int evict() {
        int oldest = after[0];
        unlink(oldest);
        nodes.remove(ids[oldest]);
        return oldest;
    }

    private void unlink(int node) {
        after[before[node]] = after[node];
        before[after[node]] = before[node];
    }
}
