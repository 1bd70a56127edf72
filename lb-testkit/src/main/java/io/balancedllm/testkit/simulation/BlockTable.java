/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.Arrays;

/**
 * A map from block ids to numbers other than 0, without an object for each: open addressing with linear probing, at most
 * half full. Not thread-safe.
 */
final class BlockTable {
    private static final int INITIAL_CAPACITY = 64;
    private static final long SPREAD = 0x9E3779B97F4A7C15L;

    private long[] keys = new long[INITIAL_CAPACITY];
    private int[] values = new int[INITIAL_CAPACITY];
    private int size;

    int size() {
        return size;
    }

    /** {@return the number of this id, 0 when it has none} */
    int get(long id) {
        return values[find(id)];
    }

    /** Sets the number of an id, not 0. */
    void put(long id, int value) {
        int slot = find(id);
        if (values[slot] == 0) {
            keys[slot] = id;
            if (2 * ++size > keys.length) {
                values[slot] = value;
                grow();
                return;
            }
        }
        values[slot] = value;
    }

    /** Takes an id out, if it is there. */
    void remove(long id) {
        int hole = find(id);
        if (values[hole] == 0) {
            return;
        }
        size--;
        int mask = keys.length - 1;
        // What follows without a gap moves up, unless it would pass the slot it belongs to.
        for (int slot = (hole + 1) & mask; values[slot] != 0; slot = (slot + 1) & mask) {
            int home = home(keys[slot]);
            if (((slot - home) & mask) >= ((slot - hole) & mask)) {
                keys[hole] = keys[slot];
                values[hole] = values[slot];
                hole = slot;
            }
        }
        values[hole] = 0;
    }

    void clear() {
        Arrays.fill(values, 0);
        size = 0;
    }

    private int find(long id) {
        int mask = keys.length - 1;
        int slot = home(id);
        while (values[slot] != 0 && keys[slot] != id) {
            slot = (slot + 1) & mask;
        }
        return slot;
    }

    private int home(long id) {
        return (int) ((id * SPREAD) >>> 40) & (keys.length - 1);
    }

    private void grow() {
        long[] oldKeys = keys;
        int[] oldValues = values;
        keys = new long[2 * oldKeys.length];
        values = new int[2 * oldKeys.length];
        for (int i = 0; i < oldKeys.length; i++) {
            if (oldValues[i] != 0) {
                int slot = find(oldKeys[i]);
                keys[slot] = oldKeys[i];
                values[slot] = oldValues[i];
            }
        }
    }
}
