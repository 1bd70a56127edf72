/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Random;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * An executor that runs nothing until the test says so, and then on the test's thread. Thread-safe: real threads may
 * hand tasks in while one thread runs them.
 *
 * <pre>{@code
 * ManualExecutor executor = ManualExecutor.shuffled(42);      // or new ManualExecutor(): first in, first out
 * executor.runAll();
 * }</pre>
 */
public final class ManualExecutor implements Executor {
    /** Tasks one {@link #runAll} runs before it takes them for an endless chain. */
    private static final int MAX_RUNS = 10_000_000;

    private final Monitor monitor = new Monitor();
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private final @Nullable Random order;

    /** An executor that runs tasks in the order they came. */
    public ManualExecutor() {
        this(null);
    }

    private ManualExecutor(@Nullable Random order) {
        this.order = order;
    }

    /** {@return an executor that runs waiting tasks in a random order, the same one for the same seed} */
    public static ManualExecutor shuffled(long seed) {
        return new ManualExecutor(new Random(seed));
    }

    @Override
    public void execute(Runnable task) {
        monitor.update(() -> tasks.add(task));
    }

    /** {@return how many tasks wait} */
    public int pending() {
        return monitor.read(tasks::size);
    }

    /**
     * Runs one task; what it throws is thrown here.
     *
     * @return false when none was waiting
     */
    public boolean runOne() {
        Runnable task = monitor.<@Nullable Runnable>read(() -> {
            if (order != null && !tasks.isEmpty()) {
                for (int skipped = order.nextInt(tasks.size()); skipped > 0; skipped--) {
                    tasks.addLast(tasks.removeFirst());
                }
            }
            return tasks.poll();
        });
        if (task == null) {
            return false;
        }
        task.run();
        return true;
    }

    /**
     * Runs tasks, and the tasks they hand in, until none waits.
     *
     * @return how many ran
     */
    public int runAll() {
        int runs = 0;
        while (runOne()) {
            if (++runs > MAX_RUNS) {
                throw new IllegalStateException("tasks seem to hand themselves in again for ever");
            }
        }
        return runs;
    }

    /**
     * Runs tasks as they come, from whatever thread, until the condition holds. It is looked at after each task, on this
     * thread.
     *
     * @param patience how long to wait for the next task, in real time
     * @param condition what to wait for
     * @throws AssertionError when no task comes in time and the condition does not hold
     */
    public void runUntil(Duration patience, BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            boolean ran = runOne() || monitor.await(patience, () -> !tasks.isEmpty());
            if (!ran && !condition.getAsBoolean()) {
                throw new AssertionError("no task came within " + patience + " and the condition does not hold");
            }
        }
    }

    @Override
    public String toString() {
        return "ManualExecutor{pending=" + pending() + (order == null ? "" : ", shuffled") + "}";
    }
}
