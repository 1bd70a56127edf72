/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Queue;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;

/**
 * Time that passes only from event to event: the clock, the timers and the executor of a balancer that is simulated. All
 * three in one, because they have one order: what was handed to the executor runs at the present instant, before time
 * passes; timers run at their due time, equal ones in the order they were set. A step costs the logarithm of the pending
 * timers, and a cancelled timer is gone at once.
 *
 * <p>Not thread-safe: one thread sets, runs and is called back. What a task or timer throws is thrown by whoever runs
 * time. For tests that have threads of their own there is {@link io.balancedllm.testkit.ManualScheduler}.
 */
public final class VirtualTime implements Ticker, Scheduler, Executor {
    private static final int INITIAL_CAPACITY = 64;
    private static final int CHILDREN = 4;
    private static final Timer NOTHING = () -> {};

    private final Queue<Runnable> ready = new ArrayDeque<>();
    /** A heap of four children a node; each event knows its place in it. */
    private Event[] heap = new Event[INITIAL_CAPACITY];
    /** What the heap is ordered by, beside it, so that comparing needs no look at the events: when each is due. */
    private long[] dues = new long[INITIAL_CAPACITY];
    /** And of equals, which was set first. */
    private long[] numbers = new long[INITIAL_CAPACITY];

    private int size;
    private long now;
    private long sequence;
    private boolean closed;

    /** Time that starts at 0. */
    public VirtualTime() {}

    @Override
    public long nanos() {
        return now;
    }

    @Override
    public void execute(Runnable task) {
        ready.add(task);
    }

    @Override
    public Timer schedule(String name, long delayNanos, Runnable task) {
        if (closed) {
            return NOTHING;
        }
        long due = Math.addExact(now, Math.max(0, delayNanos));
        Event event = new Event(task);
        if (size == heap.length) {
            heap = Arrays.copyOf(heap, 2 * size);
            dues = Arrays.copyOf(dues, 2 * size);
            numbers = Arrays.copyOf(numbers, 2 * size);
        }
        siftUp(event, due, sequence++, size++);
        return event;
    }

    /** {@return how many timers are pending} */
    public int pendingTimers() {
        return size;
    }

    /**
     * Runs all tasks and all timers due before this time, in order, then lets the clock show it. Timers due exactly then
     * stay for the next run, so what the caller does now comes before them.
     *
     * @param nanos the time; not before the present
     */
    public void advanceTo(long nanos) {
        if (nanos < now) {
            throw new IllegalArgumentException("time does not go back, from " + now + " to " + nanos);
        }
        runReady();
        while (size > 0 && dues[0] < nanos) {
            runNext();
        }
        now = nanos;
    }

    /** Runs all tasks and all timers, those they set included, until nothing is left. The clock shows the last one's time. */
    public void run() {
        runReady();
        while (size > 0) {
            runNext();
        }
    }

    /**
     * Runs tasks and timers until enough has happened, or nothing is left. For balancers that set timers for ever.
     *
     * @param enough asked at the start and after each timer
     */
    public void runUntil(BooleanSupplier enough) {
        runReady();
        while (size > 0 && !enough.getAsBoolean()) {
            runNext();
        }
    }

    /** Runs the tasks of the present instant, and those they hand in. */
    public void runReady() {
        for (Runnable task = ready.poll(); task != null; task = ready.poll()) {
            task.run();
        }
    }

    private void runNext() {
        Event event = heap[0];
        now = dues[0];
        remove(event);
        event.task.run();
        runReady();
    }

    /** Drops all timers, and those to come; tasks still run. */
    @Override
    public void close() {
        closed = true;
        while (size > 0) {
            remove(heap[size - 1]);
        }
    }

    private void remove(Event event) {
        int hole = event.place;
        event.place = Event.GONE;
        Event last = heap[--size];
        heap[size] = null;
        if (last != event) {
            long due = dues[size];
            long number = numbers[size];
            if (hole > 0 && isBefore(due, number, (hole - 1) / CHILDREN)) {
                siftUp(last, due, number, hole);
            } else {
                siftDown(last, due, number, hole);
            }
        }
    }

    private void siftUp(Event event, long due, long number, int from) {
        int place = from;
        while (place > 0) {
            int parent = (place - 1) / CHILDREN;
            if (!isBefore(due, number, parent)) {
                break;
            }
            put(heap[parent], dues[parent], numbers[parent], place);
            place = parent;
        }
        put(event, due, number, place);
    }

    private void siftDown(Event event, long due, long number, int from) {
        int place = from;
        int child;
        while ((child = CHILDREN * place + 1) < size) {
            int end = Math.min(child + CHILDREN, size);
            int least = child;
            for (int other = child + 1; other < end; other++) {
                if (isBefore(dues[other], numbers[other], least)) {
                    least = other;
                }
            }
            if (isBefore(due, number, least)) {
                break;
            }
            put(heap[least], dues[least], numbers[least], place);
            place = least;
        }
        put(event, due, number, place);
    }

    private boolean isBefore(long due, long number, int other) {
        return due != dues[other] ? due < dues[other] : number < numbers[other];
    }

    private void put(Event event, long due, long number, int place) {
        heap[place] = event;
        dues[place] = due;
        numbers[place] = number;
        event.place = place;
    }

    @Override
    public String toString() {
        return "VirtualTime{" + Duration.ofNanos(now) + ", timers=" + size + "}";
    }

    private final class Event implements Timer {
        private static final int GONE = -1;

        private final Runnable task;
        private int place = GONE;

        Event(Runnable task) {
            this.task = task;
        }

        @Override
        public void cancel() {
            if (place != GONE) {
                remove(this);
            }
        }
    }
}
