/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * Runs messages one at a time, in the order they were posted, on whichever thread posts: the thread that finds the
 * mailbox idle runs its own message at once and then what others have posted meanwhile. A message posted from within a
 * message runs after it, so handlers never re-enter.
 */
final class Mailbox {
    private final Queue<Runnable> queue = new ConcurrentLinkedQueue<>();
    private final AtomicInteger pending = new AtomicInteger();
    private final Consumer<Throwable> defect;

    /** A mailbox that reports what a message throws; the following messages run all the same. */
    Mailbox(Consumer<Throwable> defect) {
        this.defect = defect;
    }

    void post(Runnable message) {
        if (pending.compareAndSet(0, 1)) {
            run(message);
        } else {
            queue.add(message);
            if (pending.getAndIncrement() != 0) {
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
            defect.accept(e);
        }
    }
}
