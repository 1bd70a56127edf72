/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.completion.LlmException;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Freed caches are spared for the next, as far as the budget lets them. */
class KvMemoryTest {
    private static final int CAPACITY = 1024;

    private final CountedKernel.Books books = new CountedKernel.Books();
    private final Gpt2Model model = Golden.model("gpt2-tiny-a", KernelChoice.PLAIN_JAVA);
    private final TimedKernel kernel = new TimedKernel(new CountedKernel(model.kernel(), books), new AtomicLong());
    private final KvMemory memory = new KvMemory(kernel, new PrefixCache(), CAPACITY);

    @AfterEach
    void nothingIsLeft() {
        memory.clear();
        assertThat(books.caches).isZero();
        model.close();
    }

    @Test
    void whatIsFreedIsTakenForTheSameRoom() {
        Kernel.KvCache first = memory.take(128);
        kernel.step(List.of(new Kernel.Slice(first, new int[] {1, 2, 3}, false)));
        memory.free(first, 128);
        assertThat(memory.reserved()).isZero();
        Kernel.KvCache other = memory.take(64);
        assertThat(other).as("another room").isNotSameAs(first);
        Kernel.KvCache second = memory.take(128);
        assertThat(second).isSameAs(first);
        assertThat(second.length()).isZero();
        assertThat(memory.reserved()).isEqualTo(192);
        assertThat(books.caches).isEqualTo(2);
        memory.free(other, 64);
        memory.free(second, 128);
    }

    @Test
    void anEighthOfTheBudgetIsSparedTheOldestGoFirst() {
        Kernel.KvCache[] taken = new Kernel.KvCache[3];
        for (int i = 0; i < taken.length; i++) {
            taken[i] = memory.take(64);
        }
        for (Kernel.KvCache cache : taken) {
            memory.free(cache, 64);
        }
        assertThat(books.caches).isEqualTo(2);
        assertThat(memory.take(64)).isSameAs(taken[2]);
        assertThat(memory.take(64)).isSameAs(taken[1]);
        memory.free(taken[2], 64);
        memory.free(taken[1], 64);
        memory.free(memory.take(256), 256);
        assertThat(books.caches)
                .as("one that is larger than an eighth goes alone")
                .isEqualTo(2);
    }

    @Test
    void sparesGiveWayToSequences() {
        memory.free(memory.take(128), 128);
        assertThat(books.caches).isEqualTo(1);
        assertThat(memory.fits(CAPACITY)).isTrue();
        Kernel.KvCache all = memory.take(CAPACITY);
        assertThat(books.caches).isEqualTo(1);
        memory.free(all, CAPACITY);
    }

    @Test
    void sparesGoBeforeAnAllocationIsTriedAgain() {
        memory.free(memory.take(64), 64);
        kernel.failingAllocations = 1;
        Kernel.KvCache other = memory.take(128);
        assertThat(books.caches).as("the other alone").isEqualTo(1);
        memory.free(other, 128);
    }

    @Test
    void roomThatCouldNotBeHadIsNotReserved() {
        kernel.failingAllocations = 2;
        assertThatThrownBy(() -> memory.take(64))
                .isInstanceOfSatisfying(
                        LlmException.class, e -> assertThat(e.reason()).isEqualTo(LlmException.Reason.OVERLOADED));
        assertThat(memory.reserved()).isZero();
        assertThat(memory.fits(CAPACITY)).isTrue();
    }
}
