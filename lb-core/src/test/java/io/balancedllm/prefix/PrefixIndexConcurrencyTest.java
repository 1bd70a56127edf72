/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** Readers beside writers: what is held all along is always seen, and what never was is never. */
class PrefixIndexConcurrencyTest {
    private static final int WRITES = 30_000;
    private static final int READERS = 2;
    private static final long DEADLINE_SECONDS = 120;

    @Test
    void readersSeeWhatIsHeldAndNothingElseWhileEverythingAroundItChanges() throws Exception {
        PrefixIndex index = new PrefixIndex();
        PrefixHolder steady = index.join("steady");
        PrefixHolder empty = index.join("empty");
        PrefixHolder churning = index.join("churning");
        churning.capacityBlocks(2_000);
        PromptBlocks held = Prompts.conversation(-1, 200);
        PromptBlocks shared = Prompts.of(1, 2, 3);
        PrefixIndexTest.complete(steady, held);

        List<PrefixHolder> passing = new ArrayList<>();
        run(index, held, new int[] {steady.slot(), empty.slot()}, i -> {
            // Evicts all the time, shares blocks with the steady one, and now and then endpoints come and go, by which
            // the table gets wider than one word.
            PrefixIndexTest.complete(churning, Prompts.conversation(i, 1 + i % 150));
            PrefixIndexTest.complete(churning, shared);
            if (i % 16 == 0) {
                PrefixIndexTest.complete(churning, held);
            }
            if (i % 100 == 0) {
                PrefixHolder guest = index.join("guest " + i);
                PrefixIndexTest.complete(guest, held);
                passing.add(guest);
            }
            if (passing.size() > 150) {
                passing.remove(0).leave();
            }
        });

        assertThat(index.slots()).isGreaterThan(2 * Long.SIZE);
        assertThat(empty.match(shared)).isZero();
    }

    /** Writes on this thread while others match until all is written. */
    private static void run(PrefixIndex index, PromptBlocks held, int[] slots, Write write) throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(READERS);
        try {
            AtomicBoolean done = new AtomicBoolean();
            CyclicBarrier start = new CyclicBarrier(READERS + 1);
            List<Future<Long>> readers = new ArrayList<>();
            for (int r = 0; r < READERS; r++) {
                readers.add(executor.submit(() -> {
                    int[] result = new int[512];
                    long matches = 0;
                    start.await();
                    do {
                        int most = index.match(held, result);
                        if (most != held.size() || result[slots[0]] != held.size() || result[slots[1]] != 0) {
                            throw new AssertionError("after " + matches + " matches: most " + most + ", steady "
                                    + result[slots[0]] + ", empty " + result[slots[1]]);
                        }
                        matches++;
                    } while (!done.get());
                    return matches;
                }));
            }
            start.await();
            try {
                for (int i = 0; i < WRITES; i++) {
                    write.write(i);
                }
            } finally {
                done.set(true);
            }
            for (Future<Long> reader : readers) {
                assertThat(reader.get(DEADLINE_SECONDS, TimeUnit.SECONDS)).isPositive();
            }
        } finally {
            executor.shutdownNow();
        }
    }

    private interface Write {
        void write(int i);
    }
}
