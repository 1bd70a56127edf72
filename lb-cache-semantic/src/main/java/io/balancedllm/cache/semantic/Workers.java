/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The threads of one cache: made here unless they were passed in, started when first needed. */
final class Workers implements AutoCloseable {
    private static final int IDLE_SECONDS = 10;

    private final Executor executor;
    private final @Nullable ExecutorService owned;
    private final Scheduler scheduler;
    private final boolean ownsScheduler;

    Workers(@Nullable Executor executor, @Nullable Scheduler scheduler) {
        owned = executor == null ? pool() : null;
        this.executor = executor == null ? Objects.requireNonNull(owned) : executor;
        ownsScheduler = scheduler == null;
        this.scheduler = scheduler == null ? Scheduler.singleThread("semantic-cache-timer") : scheduler;
    }

    private static ExecutorService pool() {
        AtomicInteger count = new AtomicInteger();
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                SemanticCache.DEFAULT_THREADS,
                SemanticCache.DEFAULT_THREADS,
                IDLE_SECONDS,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(SemanticCache.DEFAULT_QUEUE_LIMIT),
                task -> {
                    Thread thread = new Thread(task, "semantic-cache-" + count.incrementAndGet());
                    thread.setDaemon(true);
                    return thread;
                });
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    /** Runs a task; throws RejectedExecutionException when too many wait, or after the end. */
    void execute(Runnable task) {
        executor.execute(task);
    }

    Scheduler scheduler() {
        return scheduler;
    }

    /** Completes a future after a while, unless it is done before. */
    <T> void within(Duration timeout, String name, CompletableFuture<T> future, Supplier<T> late) {
        Scheduler.Timer timer = scheduler.schedule(name, timeout.toNanos(), () -> {
            if (!future.isDone()) {
                future.complete(late.get());
            }
        });
        CompletableFuture<T> unused = future.whenComplete((result, failure) -> timer.cancel());
    }

    @Override
    public void close() {
        if (owned != null) {
            owned.shutdownNow();
        }
        if (ownsScheduler) {
            scheduler.close();
        }
    }
}
