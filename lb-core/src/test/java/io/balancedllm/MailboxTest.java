/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class MailboxTest {
    private final List<Throwable> defects = new ArrayList<>();
    private final Mailbox mailbox = new Mailbox(defects::add);

    @Test
    void aMessageRunsAtOnceOnTheThreadThatPostsIt() {
        List<Thread> ran = new ArrayList<>();

        mailbox.post(() -> ran.add(Thread.currentThread()));

        assertThat(ran).containsExactly(Thread.currentThread());
    }

    @Test
    void aMessagePostedFromWithinAMessageRunsAfterIt() {
        List<String> ran = new ArrayList<>();

        mailbox.post(() -> {
            mailbox.post(() -> {
                ran.add("second");
                mailbox.post(() -> ran.add("third"));
            });
            ran.add("first");
        });

        assertThat(ran).containsExactly("first", "second", "third");
    }

    @Test
    void aMessageThatFailsIsReportedAndTheNextRuns() {
        List<String> ran = new ArrayList<>();
        AssertionError failure = new AssertionError("first");

        mailbox.post(() -> {
            mailbox.post(() -> ran.add("second"));
            throw failure;
        });
        mailbox.post(() -> ran.add("third"));

        assertThat(defects).containsExactly(failure);
        assertThat(ran).containsExactly("second", "third");
    }

    @Test
    void aReportThatFailsDoesNotStopTheMailbox() {
        List<String> ran = new ArrayList<>();
        Mailbox fragile = new Mailbox(failure -> {
            throw new IllegalStateException("no reports today");
        });

        fragile.post(() -> {
            throw new IllegalStateException("first");
        });
        fragile.post(() -> ran.add("second"));

        assertThat(ran).containsExactly("second");
    }

    @Test
    void messagesOfManyThreadsRunOneAtATimeInTheOrderOfEachThread() throws Exception {
        int threads = 4;
        int each = 50_000;
        int[] seen = new int[threads];
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger overlaps = new AtomicInteger();
        AtomicInteger disorders = new AtomicInteger();
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        List<Future<?>> posting = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            int thread = i;
            posting.add(pool.submit(() -> {
                for (int n = 1; n <= each; n++) {
                    int number = n;
                    mailbox.post(() -> {
                        overlaps.addAndGet(inside.getAndIncrement());
                        if (seen[thread] + 1 != number) {
                            disorders.incrementAndGet();
                        }
                        seen[thread] = number;
                        inside.decrementAndGet();
                    });
                }
            }));
        }
        for (Future<?> future : posting) {
            future.get();
        }
        CompletableFuture<int[]> last = new CompletableFuture<>();
        mailbox.post(() -> last.complete(seen.clone()));
        pool.shutdown();

        assertThat(last.get()).containsOnly(each);
        assertThat(overlaps).hasValue(0);
        assertThat(disorders).hasValue(0);
    }

    @Test
    void aThreadStoppedInTheMidstOfAPostCostsNoOtherThreadItsOrder() throws Exception {
        List<String> ran = new ArrayList<>();
        CountDownLatch added = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        Mailbox stopped = new Mailbox(new StoppingQueue(added, release), defects::add);
        Thread other = new Thread(() -> stopped.post(() -> ran.add("other")), StoppingQueue.STOPS);

        stopped.post(() -> {
            other.start();
            awaitQuietly(added); // the other's message is in the queue, and not counted yet
            stopped.post(() -> ran.add("first"));
        });
        stopped.post(() -> ran.add("second"));
        release.countDown();
        other.join();

        assertThat(ran).containsExactly("other", "first", "second");
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Stops one thread, by name, after it has added. */
    private static final class StoppingQueue extends ConcurrentLinkedQueue<Runnable> {
        static final String STOPS = "stops";

        private final transient CountDownLatch added;
        private final transient CountDownLatch release;

        StoppingQueue(CountDownLatch added, CountDownLatch release) {
            this.added = added;
            this.release = release;
        }

        @Override
        public boolean add(Runnable message) {
            super.add(message);
            if (Thread.currentThread().getName().equals(STOPS)) {
                added.countDown();
                awaitQuietly(release);
            }
            return true;
        }
    }

    @Test
    void aMessageThatComesWhileAnotherRunsElsewhereIsLeftToThatThread() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        List<Thread> ran = new ArrayList<>();
        Thread other = new Thread(() -> mailbox.post(() -> {
            running.countDown();
            awaitQuietly(release);
        }));
        other.start();
        running.await();

        mailbox.post(() -> ran.add(Thread.currentThread()));
        assertThat(ran).isEmpty();
        release.countDown();
        other.join();

        assertThat(ran).containsExactly(other);
    }
}
