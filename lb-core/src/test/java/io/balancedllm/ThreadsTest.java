/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.time.Scheduler;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ThreadsTest {
    private static Thread threadOf(Executor executor) {
        CompletableFuture<Thread> thread = new CompletableFuture<>();
        executor.execute(() -> thread.complete(Thread.currentThread()));
        return thread.join();
    }

    @Test
    void ownThreadsAreDaemonsNamedAfterTheirWorkAndEndWithTheBalancer() throws InterruptedException {
        Threads threads = new Threads(null, null, null);
        Thread loop = threadOf(threads.loop());
        Thread callback = threadOf(threads.callbacks());

        assertThat(loop.getName()).startsWith("balancedllm-loop-");
        assertThat(callback.getName()).startsWith("balancedllm-callback-");
        assertThat(loop.isDaemon()).isTrue();
        assertThat(callback.isDaemon()).isTrue();
        threads.close();
        threads.close();
        loop.join();
        callback.join();
    }

    @Test
    void asManyCallbacksRunAtATimeAsBlock() {
        Threads threads = new Threads(null, null, null);
        int many = 20;
        CountDownLatch together = new CountDownLatch(many);
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < many; i++) {
            all.add(CompletableFuture.runAsync(
                    () -> {
                        together.countDown();
                        awaitQuietly(together);
                    },
                    threads.callbacks()));
        }

        all.forEach(CompletableFuture::join);
        threads.close();
    }

    @Test
    void whatWasPassedInIsBorrowed() {
        ExecutorService loop = Executors.newSingleThreadExecutor();
        ExecutorService callbacks = Executors.newSingleThreadExecutor();
        List<String> closed = new ArrayList<>();
        Scheduler scheduler = new Scheduler() {
            @Override
            public Timer schedule(String name, long delayNanos, Runnable task) {
                return () -> {};
            }

            @Override
            public void close() {
                closed.add("scheduler");
            }
        };
        Threads threads = new Threads(loop, callbacks, scheduler);

        threads.close();

        assertThat(closed).isEmpty();
        assertThat(loop.isShutdown()).isFalse();
        assertThat(callbacks.isShutdown()).isFalse();
        loop.shutdownNow();
        callbacks.shutdownNow();
    }

    @Test
    void aCallbackMayCloseTheThreadsItRunsOn() throws InterruptedException {
        Threads threads = new Threads(null, null, null);
        CompletableFuture<Thread> closer = new CompletableFuture<>();

        threads.callbacks().execute(() -> {
            threads.close();
            closer.complete(Thread.currentThread());
        });

        closer.join().join();
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
