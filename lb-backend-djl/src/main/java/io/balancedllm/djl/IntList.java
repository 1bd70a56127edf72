/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.Arrays;

/** A growing array of ints. Not thread-safe. */
final class IntList {
    private int[] values = new int[16];
    private int size;

    void add(int value) {
        reserve(1);
        values[size++] = value;
    }

    void addAll(int[] more) {
        reserve(more.length);
        System.arraycopy(more, 0, values, size, more.length);
        size += more.length;
    }

    int get(int index) {
        return values[index];
    }

    int size() {
        return size;
    }

    int[] toArray() {
        return toArray(0, size);
    }

    int[] toArray(int from, int to) {
        return Arrays.copyOfRange(values, from, to);
    }

    private void reserve(int more) {
        if (size + more > values.length) {
            values = Arrays.copyOf(values, Math.max(size + more, values.length * 2));
        }
    }
}
