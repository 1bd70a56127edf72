/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.time;

import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One daemon thread with a heap of timers. Cancelled timers leave the heap at once. */
final class ThreadScheduler implements Scheduler {
    private static final Logger LOG = LoggerFactory.getLogger(Scheduler.class);
    private static final Timer NOTHING = () -> {};

    private final ScheduledThreadPoolExecutor executor;

    ThreadScheduler(String threadName) {
        executor = new ScheduledThreadPoolExecutor(1, task -> {
            Thread thread = new Thread(task, threadName);
            thread.setDaemon(true);
            return thread;
        });
        executor.setRemoveOnCancelPolicy(true);
        executor.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
    }

    @Override
    public Timer schedule(String name, long delayNanos, Runnable task) {
        try {
            Future<?> future =
                    executor.schedule(() -> runLogged(name, task), Math.max(0, delayNanos), TimeUnit.NANOSECONDS);
            return () -> future.cancel(false);
        } catch (RejectedExecutionException e) {
            LOG.debug("timer \"{}\" not set: the scheduler is closed", name);
            return NOTHING;
        }
    }

    private static void runLogged(String name, Runnable task) {
        try {
            task.run();
        } catch (RuntimeException e) {
            LOG.error("timer \"{}\" failed", name, e);
        }
    }

    @Override
    public void close() {
        executor.shutdownNow();
    }
}
