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
    private static final Timer NOTHING = () -> {};

    private final Queue<Runnable> ready = new ArrayDeque<>();
    /** A binary heap; each event knows its place in it. */
    private Event[] heap = new Event[INITIAL_CAPACITY];

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
        Event event = new Event(Math.addExact(now, Math.max(0, delayNanos)), sequence++, task);
        if (size == heap.length) {
            heap = Arrays.copyOf(heap, 2 * size);
        }
        siftUp(event, size++);
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
        while (size > 0 && heap[0].due < nanos) {
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
        remove(event);
        now = event.due;
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
            siftUp(last, hole);
            siftDown(last, last.place);
        }
    }

    private void siftUp(Event event, int from) {
        int place = from;
        while (place > 0 && event.isBefore(heap[(place - 1) / 2])) {
            put(heap[(place - 1) / 2], place);
            place = (place - 1) / 2;
        }
        put(event, place);
    }

    private void siftDown(Event event, int from) {
        int place = from;
        while (2 * place + 1 < size) {
            int child = 2 * place + 1;
            if (child + 1 < size && heap[child + 1].isBefore(heap[child])) {
                child++;
            }
            if (event.isBefore(heap[child])) {
                break;
            }
            put(heap[child], place);
            place = child;
        }
        put(event, place);
    }

    private void put(Event event, int place) {
        heap[place] = event;
        event.place = place;
    }

    @Override
    public String toString() {
        return "VirtualTime{" + Duration.ofNanos(now) + ", timers=" + size + "}";
    }

    private final class Event implements Timer {
        private static final int GONE = -1;

        private final long due;
        private final long number;
        private final Runnable task;
        private int place = GONE;

        Event(long due, long number, Runnable task) {
            this.due = due;
            this.number = number;
            this.task = task;
        }

        boolean isBefore(Event other) {
            return due != other.due ? due < other.due : number < other.number;
        }

        @Override
        public void cancel() {
            if (place != GONE) {
                remove(this);
            }
        }
    }
}
