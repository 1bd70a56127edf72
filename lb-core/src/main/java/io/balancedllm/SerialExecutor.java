/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs tasks one at a time, in order, on the threads of another executor; when that one refuses, on the thread that hands
 * the task in. What a task throws is logged, and the following tasks run all the same.
 */
final class SerialExecutor implements Executor {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final Executor executor;
    private final Queue<Runnable> queue = new ConcurrentLinkedQueue<>();
    private final AtomicInteger pending = new AtomicInteger();

    SerialExecutor(Executor executor) {
        this.executor = executor;
    }

    @Override
    public void execute(Runnable task) {
        queue.add(task);
        if (pending.getAndIncrement() == 0) {
            try {
                executor.execute(this::drain);
            } catch (RejectedExecutionException | OutOfMemoryError e) {
                // Shut down, full, or out of threads. Ends of calls and leases hang on tasks, so none may be dropped.
                LOG.debug("the executor refused, running on this thread", e);
                drain();
            }
        }
    }

    private void drain() {
        do {
            try {
                queue.remove().run();
            } catch (Throwable e) {
                LOG.error("a task failed", e);
            }
        } while (pending.decrementAndGet() != 0);
    }
}
