/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.resilience.AdmissionControl;
import io.balancedllm.time.Ticker;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;

/**
 * The one line in which calls wait for room, the more urgent first, and then first come first served: whoever is first
 * among those that a free endpoint can serve goes first, so a call for a busy model holds up no call for an idle one.
 * Measures how fast it drains. Holds no thread.
 */
final class WaitingLine {
    /** Starts out of the line that the drain rate is the mean of. */
    private static final int WINDOW = 32;

    private final int capacity;
    private final Ticker ticker;
    private final TreeMap<Integer, Set<Call>> byPriority = new TreeMap<>(Comparator.reverseOrder());
    private final long[] starts = new long[WINDOW];
    /** Starts since the line was last empty. */
    private long started;

    private volatile int size;

    WaitingLine(int capacity, Ticker ticker) {
        this.capacity = capacity;
        this.ticker = ticker;
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

    /** Adds a call at the end of those as urgent; false when the line is full. */
    synchronized boolean add(Call call) {
        if (size >= capacity) {
            return false;
        }
        if (size == 0) {
            started = 0; // how fast an earlier line drained says little about this one
        }
        if (byPriority
                .computeIfAbsent(call.options().priority(), priority -> new LinkedHashSet<>())
                .add(call)) {
            size++;
        }
        return true;
    }

    /** Takes a call out that may start now; false when it was not in the line. */
    synchronized boolean start(Call call) {
        boolean removed = remove(call);
        if (removed) {
            starts[(int) (started++ % WINDOW)] = ticker.nanos();
        }
        return removed;
    }

    /** Takes a call out; false when it was not in the line. */
    synchronized boolean remove(Call call) {
        int priority = call.options().priority();
        Set<Call> calls = byPriority.get(priority);
        if (calls == null || !calls.remove(call)) {
            return false;
        }
        if (calls.isEmpty()) {
            byPriority.remove(priority);
        }
        size--;
        return true;
    }

    /** {@return the waiting calls, the first first} */
    synchronized List<Call> calls() {
        List<Call> calls = new ArrayList<>(size);
        byPriority.values().forEach(calls::addAll);
        return calls;
    }

    /**
     * {@return in how many nanoseconds a call of this priority that joins now would start, as the line drains; -1 while
     * too few have started to tell}
     */
    synchronized long expectedWaitNanos(int priority) {
        if (started < AdmissionControl.LEAST_SAMPLES) {
            return -1;
        }
        int counted = (int) Math.min(started, WINDOW);
        long since = ticker.nanos() - starts[(int) ((started - counted) % WINDOW)];
        long ahead = 0;
        for (Set<Call> calls : byPriority.headMap(priority, true).values()) {
            ahead += calls.size();
        }
        return since / counted * (ahead + 1);
    }
}
