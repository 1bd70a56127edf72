/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What an engine has taken and not begun, the most urgent first, and the count of all it has taken. Bounded: when it is
 * full, a more urgent generation takes the place of the least urgent and latest ones that have not begun. Thread-safe.
 */
final class WorkQueue {
    private final int limit;
    private final TreeSet<Work> waiting = new TreeSet<>(Work.ORDER);
    private int held;
    private boolean closed;

    /** At most this many works may be held, those that run included. */
    WorkQueue(int limit) {
        this.limit = limit;
    }

    /**
     * Takes all works of a generation or none.
     *
     * @param first those that may begin at once
     * @param displaced receives the generations that had to give way; they are the caller's to fail
     */
    synchronized boolean offer(Gpt2Generation generation, List<Work> first, List<Gpt2Generation> displaced) {
        int size = generation.works().size();
        if (closed) {
            return false;
        }
        if (held + size > limit) {
            Set<Gpt2Generation> weaker = weaker(generation.priority(), held + size - limit);
            if (weaker.isEmpty()) {
                return false;
            }
            for (Gpt2Generation one : weaker) {
                one.works().forEach(waiting::remove);
                held -= one.works().size();
                displaced.add(one);
            }
        }
        held += size;
        waiting.addAll(first);
        return true;
    }

    /** {@return enough that is less urgent and has not begun, the least urgent and latest first; nothing if not enough} */
    private Set<Gpt2Generation> weaker(int priority, int places) {
        Set<Gpt2Generation> found = new LinkedHashSet<>();
        int free = 0;
        for (Work work : waiting.descendingSet()) {
            if (free >= places || work.generation.priority() >= priority) {
                break;
            }
            if (!work.generation.begun() && found.add(work.generation)) {
                free += work.generation.works().size();
            }
        }
        return free >= places ? found : Set.of();
    }

    /** Puts back what was taken out, or lets a follower wait for its turn. */
    synchronized void put(Work work) {
        waiting.add(work);
    }

    synchronized @Nullable Work peek() {
        return waiting.isEmpty() ? null : waiting.first();
    }

    /** Takes out a work to begin it. {@return whether it was waiting; it may have been displaced or stolen meanwhile} */
    synchronized boolean remove(Work work) {
        boolean was = waiting.remove(work);
        if (was) {
            work.generation.begin();
        }
        return was;
    }

    /** Takes out the works of all generations that are over. They are still held. */
    synchronized List<Work> removeEnding(long nowNanos) {
        Map<Gpt2Generation, Boolean> ending = new HashMap<>();
        List<Work> removed = waiting.stream()
                .filter(work -> ending.computeIfAbsent(work.generation, one -> one.ending(nowNanos)))
                .toList();
        removed.forEach(waiting::remove);
        return removed;
    }

    /** Takes out all that wait. They are still held. */
    synchronized List<Work> removeAll() {
        List<Work> removed = List.copyOf(waiting);
        waiting.clear();
        return removed;
    }

    /** Forgets works that have ended. */
    synchronized void release(int works) {
        held -= works;
    }

    synchronized List<Work> waiting() {
        return List.copyOf(waiting);
    }

    /** {@return works that wait or run} */
    synchronized int held() {
        return held;
    }

    /** {@return works that run, or would begin before one of this priority that comes now} */
    synchronized int ahead(int priority) {
        long behind = waiting.stream()
                .filter(work -> work.generation.priority() < priority)
                .count();
        return held - (int) behind;
    }

    synchronized boolean closed() {
        return closed;
    }

    /** Takes nothing from now on. */
    synchronized void close() {
        closed = true;
    }

    /** {@return the most urgent generation of which nothing has begun, taken out of here; null if there is none} */
    synchronized @Nullable Gpt2Generation steal() {
        for (Work work : waiting) {
            if (!work.generation.begun()) {
                work.generation.works().forEach(waiting::remove);
                held -= work.generation.works().size();
                return work.generation;
            }
        }
        return null;
    }

    /** Takes over a stolen generation, whatever the limit. {@return false when closed} */
    synchronized boolean take(Gpt2Generation generation, List<Work> first) {
        if (closed) {
            return false;
        }
        held += generation.works().size();
        waiting.addAll(first);
        return true;
    }

    @Override
    public synchronized String toString() {
        return "WorkQueue{" + waiting.size() + " wait, " + held + " of " + limit + " held}";
    }
}
