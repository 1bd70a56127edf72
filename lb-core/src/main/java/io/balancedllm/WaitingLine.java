/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The one line in which calls wait for room, first come first served: whoever is first among those that a free endpoint
 * can serve goes first, so a call for a busy model holds up no call for an idle one. Holds no thread.
 */
final class WaitingLine {
    private final int capacity;
    private final Set<Call> calls = new LinkedHashSet<>();
    private volatile int size;

    WaitingLine(int capacity) {
        this.capacity = capacity;
    }

    int capacity() {
        return capacity;
    }

    int size() {
        return size;
    }

    boolean isEmpty() {
        return size == 0;
    }

    /** Adds a call at the end; false when the line is full. */
    synchronized boolean add(Call call) {
        if (calls.size() >= capacity) {
            return false;
        }
        calls.add(call);
        size = calls.size();
        return true;
    }

    /** Takes a call out; false when it was not in the line. */
    synchronized boolean remove(Call call) {
        boolean removed = calls.remove(call);
        size = calls.size();
        return removed;
    }

    /** {@return the waiting calls, the first first} */
    synchronized List<Call> calls() {
        return new ArrayList<>(calls);
    }
}
