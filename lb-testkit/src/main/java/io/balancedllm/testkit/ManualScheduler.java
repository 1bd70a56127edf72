/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.List;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/**
 * A scheduler on virtual time: no timer runs until the test moves the clock, and then on the test's thread, in the order
 * of due times, equal ones in the order they were set. Thread-safe; tasks run holding no lock.
 *
 * <pre>{@code
 * ManualScheduler scheduler = new ManualScheduler();          // scheduler.ticker() is its clock
 * scheduler.awaitTimer("first token");                        // set by another thread, perhaps in a moment
 * scheduler.advance(Duration.ofSeconds(120));                 // runs it
 * }</pre>
 */
public final class ManualScheduler implements Scheduler {
    /** How long {@link #awaitTimer(String)} waits, in real time. */
    public static final Duration DEFAULT_PATIENCE = Duration.ofSeconds(10);

    /** Timers one {@link #advance} runs before it takes them for an endless chain. */
    private static final int MAX_RUNS = 10_000_000;

    private static final long LONGEST_DELAY = Long.MAX_VALUE / 2;
    private static final Timer NOTHING = () -> {};

    private final FakeTicker ticker;
    private final Monitor monitor = new Monitor();
    private final PriorityQueue<Pending> timers = new PriorityQueue<>();
    private long sequence;
    private boolean closed;

    /** A scheduler with a clock of its own, at 0. */
    public ManualScheduler() {
        this(new FakeTicker());
    }

    /** A scheduler that moves this clock. */
    public ManualScheduler(FakeTicker ticker) {
        this.ticker = ticker;
    }

    /** {@return the clock that {@link #advance} moves} */
    public FakeTicker ticker() {
        return ticker;
    }

    @Override
    public Timer schedule(String name, long delayNanos, Runnable task) {
        long delay = Math.min(Math.max(0, delayNanos), LONGEST_DELAY);
        return monitor.read(() -> {
            if (closed) {
                return NOTHING;
            }
            Pending timer = new Pending(name, ticker.nanos() + delay, sequence++, task);
            monitor.update(() -> timers.add(timer));
            return () -> monitor.update(() -> timers.remove(timer));
        });
    }

    /**
     * Moves the clock forward and runs what becomes due on the way, timers set by timers included. The clock shows each
     * timer's own due time while it runs. An exception of a task stops here and is thrown.
     *
     * @param by how far, zero to run only what is due already
     * @return how many timers ran
     */
    public int advance(Duration by) {
        if (by.isNegative()) {
            throw new IllegalArgumentException("time does not go back, got " + by);
        }
        long target = ticker.nanos() + by.toNanos();
        int runs = 0;
        for (Pending timer = next(target); timer != null; timer = next(target)) {
            if (++runs > MAX_RUNS) {
                throw new IllegalStateException("timer \"" + timer.name + "\" seems to set itself again for ever");
            }
            ticker.advanceTo(timer.due);
            timer.task.run();
        }
        ticker.advanceTo(target);
        return runs;
    }

    /**
     * Moves the clock to the soonest timer and runs it, with all others due then.
     *
     * @return false when no timer is pending
     */
    public boolean advanceToNext() {
        Long wait = monitor.read(() -> {
            Pending first = timers.peek();
            return first == null ? null : Math.max(0, first.due - ticker.nanos());
        });
        if (wait == null) {
            return false;
        }
        advance(Duration.ofNanos(wait));
        return true;
    }

    /** {@return the names of the pending timers, soonest first} */
    public List<String> pending() {
        return monitor.read(
                () -> timers.stream().sorted().map(timer -> timer.name).toList());
    }

    /** Waits {@link #DEFAULT_PATIENCE} for a timer, as {@link #awaitTimer(String, Duration)} does. */
    public void awaitTimer(String name) {
        awaitTimer(name, DEFAULT_PATIENCE);
    }

    /**
     * Waits until a timer of this name is pending, so that a test with real threads knows when to {@link #advance}.
     *
     * @param name the timer's name
     * @param patience how long to wait, in real time
     * @throws AssertionError when none is set in time; it names the timers that are
     */
    public void awaitTimer(String name, Duration patience) {
        boolean seen = monitor.await(patience, () -> timers.stream().anyMatch(timer -> timer.name.equals(name)));
        if (!seen) {
            throw new AssertionError(
                    "no timer \"" + name + "\" was set within " + patience + "; pending: " + pending());
        }
    }

    @Override
    public void close() {
        monitor.update(() -> {
            closed = true;
            timers.clear();
        });
    }

    @Override
    public String toString() {
        return "ManualScheduler{" + ticker + ", pending=" + pending() + "}";
    }

    private @Nullable Pending next(long target) {
        return monitor.<@Nullable Pending>read(() -> {
            Pending first = timers.peek();
            return first != null && first.due - target <= 0 ? timers.poll() : null;
        });
    }

    private static final class Pending implements Comparable<Pending> {
        private final String name;
        private final long due;
        private final long sequence;
        private final Runnable task;

        Pending(String name, long due, long sequence, Runnable task) {
            this.name = name;
            this.due = due;
            this.sequence = sequence;
            this.task = task;
        }

        @Override
        @SuppressWarnings("ComparableType") // only ever compared with its own kind
        public int compareTo(Pending other) {
            long later = due - other.due;
            return later != 0 ? Long.signum(later) : Long.compare(sequence, other.sequence);
        }
    }
}
