/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs tasks one at a time, in order, on the threads of another executor. */
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
            } catch (RejectedExecutionException e) {
                // Only an executor that was shut down refuses; what runs after the end has nobody to tell.
                LOG.debug("task dropped: the executor is shut down", e);
            }
        }
    }

    private void drain() {
        do {
            try {
                queue.remove().run();
            } catch (RuntimeException e) {
                LOG.error("a task of the loop failed", e);
            }
        } while (pending.decrementAndGet() != 0);
    }
}
