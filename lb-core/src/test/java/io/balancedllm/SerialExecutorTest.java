/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SerialExecutorTest {
    private final ArrayDeque<Runnable> handedIn = new ArrayDeque<>();
    private final SerialExecutor serial = new SerialExecutor(handedIn::add);
    private final List<String> ran = new ArrayList<>();

    @Test
    void tasksRunInOrderOnTheOtherExecutor() {
        serial.execute(() -> ran.add("first"));
        serial.execute(() -> ran.add("second"));
        assertThat(ran).isEmpty();

        handedIn.remove().run();

        assertThat(ran).containsExactly("first", "second");
        assertThat(handedIn).isEmpty();
    }

    @Test
    void aTaskHandedInByATaskRunsAfterIt() {
        serial.execute(() -> {
            serial.execute(() -> ran.add("second"));
            ran.add("first");
        });

        handedIn.remove().run();

        assertThat(ran).containsExactly("first", "second");
    }

    @Test
    void aTaskThatThrowsAnErrorDoesNotStopTheNext() {
        serial.execute(() -> {
            throw new AssertionError("first");
        });
        serial.execute(() -> ran.add("second"));

        handedIn.remove().run();
        serial.execute(() -> ran.add("third"));
        handedIn.remove().run();

        assertThat(ran).containsExactly("second", "third");
    }

    @Test
    void tasksThatTheOtherExecutorRefusesRunHereSoNoneIsLost() {
        SerialExecutor refused = new SerialExecutor(task -> {
            throw new RejectedExecutionException("full");
        });

        refused.execute(() -> ran.add("first"));
        refused.execute(() -> ran.add("second"));

        assertThat(ran).containsExactly("first", "second");
    }

    @Test
    void tasksOfManyThreadsRunOneAtATime() throws InterruptedException {
        int threads = 3;
        int each = 20_000;
        ExecutorService pool = Executors.newFixedThreadPool(2);
        SerialExecutor overPool = new SerialExecutor(pool);
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger overlaps = new AtomicInteger();
        int[] count = new int[1];
        List<Thread> handing = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            Thread thread = new Thread(() -> {
                for (int n = 0; n < each; n++) {
                    overPool.execute(() -> {
                        overlaps.addAndGet(inside.getAndIncrement());
                        count[0]++;
                        inside.decrementAndGet();
                    });
                }
            });
            thread.start();
            handing.add(thread);
        }
        for (Thread thread : handing) {
            thread.join();
        }
        pool.shutdown();

        assertThat(pool.awaitTermination(30, TimeUnit.SECONDS)).isTrue();
        assertThat(count[0]).isEqualTo(threads * each);
        assertThat(overlaps).hasValue(0);
    }
}
