/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs messages one at a time, in the order they were posted, on whichever thread posts: the thread that finds the
 * mailbox idle runs its own message at once and then what others have posted meanwhile. A message posted from within a
 * message runs after it, so handlers never re-enter.
 */
final class Mailbox {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final Queue<Runnable> queue;
    private final AtomicInteger pending = new AtomicInteger();
    private final Consumer<Throwable> defect;

    /** A mailbox that reports what a message throws; the following messages run all the same. */
    Mailbox(Consumer<Throwable> defect) {
        this(new ConcurrentLinkedQueue<>(), defect);
    }

    /** For tests that stop a thread between adding and counting. */
    Mailbox(Queue<Runnable> queue, Consumer<Throwable> defect) {
        this.queue = queue;
        this.defect = defect;
    }

    void post(Runnable message) {
        boolean idle = pending.compareAndSet(0, 1);
        if (idle && queue.isEmpty()) {
            run(message);
        } else {
            // Also when idle: a poster between its add and its count leaves messages of others here, counted and run
            // only with its own, and a later message of theirs must not pass them.
            queue.add(message);
            if (!idle && pending.getAndIncrement() != 0) {
                return;
            }
            run(next());
        }
        while (pending.decrementAndGet() != 0) {
            run(next());
        }
    }

    private Runnable next() {
        // A poster adds before it counts, so a counted message is there.
        return queue.remove();
    }

    private void run(Runnable message) {
        try {
            message.run();
        } catch (Throwable e) {
            report(e);
        }
    }

    /** A mailbox that stopped at a failure would strand its call, so nothing gets out of here. */
    private void report(Throwable e) {
        try {
            defect.accept(e);
        } catch (Throwable again) {
            again.addSuppressed(e);
            LOG.error("a failed message could not be reported", again);
        }
    }
}
