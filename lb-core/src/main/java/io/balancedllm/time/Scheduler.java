/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.time;

/**
 * Runs a task once, later. Thread-safe. The tasks this library schedules only post a message: they never block and
 * never run user code, so one thread serves any number of calls.
 */
public interface Scheduler extends AutoCloseable {
    /**
     * Schedules a task.
     *
     * @param name what the timer is for, in lower case ({@code "first token"}); for tests and diagnostics
     * @param delayNanos nanoseconds from now; zero or less runs it as soon as possible
     * @param task what to run
     * @return a handle that cancels the timer
     */
    Timer schedule(String name, long delayNanos, Runnable task);

    /** Drops all timers and ends the thread, if there is one. Idempotent. */
    @Override
    void close();

    /** {@return a scheduler with one daemon thread, which starts with the first timer} */
    static Scheduler singleThread(String threadName) {
        return new ThreadScheduler(threadName);
    }

    /** A timer that can be cancelled. */
    @FunctionalInterface
    interface Timer {
        /** Keeps the task from running unless it has started. Idempotent, constant or logarithmic time. */
        void cancel();
    }
}
