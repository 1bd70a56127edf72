/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.time.Scheduler;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The threads of one balancer: the loop, the callback pool and the timer. Those that were passed in are borrowed, the
 * others are made here, start when first needed and end with the balancer.
 */
final class Threads {
    /** Threads of the loop, on machines with as many cores. */
    static final int LOOP_THREADS = 2;
    /** How long an idle callback thread stays. */
    private static final int CALLBACK_IDLE_SECONDS = 10;
    /** How long {@link #close} waits for running callbacks, which are user code and may take as long as they like. */
    private static final int CLOSE_WAIT_SECONDS = 1;

    private static final ThreadLocal<Boolean> OURS = new ThreadLocal<>();

    private final Executor loop;
    private final Executor callbacks;
    private final Scheduler scheduler;
    private final @Nullable ExecutorService ownedLoop;
    private final @Nullable ExecutorService ownedCallbacks;
    private final boolean ownsScheduler;

    Threads(@Nullable Executor loop, @Nullable Executor callbacks, @Nullable Scheduler scheduler) {
        ownedLoop = loop == null ? newLoop() : null;
        ownedCallbacks = callbacks == null ? newCallbackPool() : null;
        ownsScheduler = scheduler == null;
        this.loop = ownedLoop == null ? require(loop) : ownedLoop;
        this.callbacks = ownedCallbacks == null ? require(callbacks) : ownedCallbacks;
        this.scheduler = scheduler == null ? Scheduler.singleThread("balancedllm-timer") : scheduler;
    }

    private static Executor require(@Nullable Executor executor) {
        if (executor == null) {
            throw new IllegalStateException("an executor is either passed in or made");
        }
        return executor;
    }

    private static ExecutorService newLoop() {
        int threads = Math.min(LOOP_THREADS, Runtime.getRuntime().availableProcessors());
        return new ThreadPoolExecutor(
                threads, threads, 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), factory("balancedllm-loop-"));
    }

    /** As many threads as callbacks block at the same time, which is at most one for each call. */
    private static ExecutorService newCallbackPool() {
        return new ThreadPoolExecutor(
                0,
                Integer.MAX_VALUE,
                CALLBACK_IDLE_SECONDS,
                TimeUnit.SECONDS,
                new SynchronousQueue<>(),
                factory("balancedllm-callback-"));
    }

    private static ThreadFactory factory(String prefix) {
        AtomicInteger count = new AtomicInteger();
        return task -> {
            Thread thread = new Thread(
                    () -> {
                        OURS.set(true);
                        task.run();
                    },
                    prefix + count.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        };
    }

    Executor loop() {
        return loop;
    }

    Executor callbacks() {
        return callbacks;
    }

    Scheduler scheduler() {
        return scheduler;
    }

    /** Ends the owned threads and, unless this is one of them, waits a moment until they have ended. */
    void close() {
        if (ownsScheduler) {
            scheduler.close();
        }
        shutDown(ownedLoop);
        shutDown(ownedCallbacks);
    }

    private static void shutDown(@Nullable ExecutorService executor) {
        if (executor == null) {
            return;
        }
        executor.shutdown();
        if (!Boolean.TRUE.equals(OURS.get())) {
            try {
                if (!executor.awaitTermination(CLOSE_WAIT_SECONDS, TimeUnit.SECONDS)) {
                    executor.shutdownNow();
                }
            } catch (InterruptedException e) {
                executor.shutdownNow();
                Thread.currentThread().interrupt();
            }
        }
    }
}
