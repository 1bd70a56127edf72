/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BlockCountsTest {
    @Test
    void countsAsAMapDoesThroughRandomUse() {
        Random random = new Random(1);
        BlockCounts counts = new BlockCounts();
        Map<Long, Integer> expected = new HashMap<>();
        List<Long> inUse = new ArrayList<>();
        for (int i = 0; i < 200_000; i++) {
            boolean grow = i < 100_000 ? random.nextInt(3) > 0 : random.nextInt(3) == 0;
            if (grow || inUse.isEmpty()) {
                long hash = random.nextInt(4_000) * (random.nextBoolean() ? 1L : 1L << 40);
                counts.add(hash);
                inUse.add(hash);
                expected.merge(hash, 1, Integer::sum);
            } else {
                int at = random.nextInt(inUse.size());
                long hash = inUse.set(at, inUse.get(inUse.size() - 1));
                inUse.remove(inUse.size() - 1);
                counts.remove(hash);
                expected.computeIfPresent(hash, (h, n) -> n == 1 ? null : n - 1);
            }
            assertThat(counts.distinct()).isEqualTo(expected.size());
        }
        inUse.forEach(counts::remove);
        assertThat(counts.distinct()).isZero();
    }

    @Test
    void aBlockThatIsNotInUseCannotBeGivenBack() {
        BlockCounts counts = new BlockCounts();
        counts.add(0);
        counts.remove(0);

        assertThatThrownBy(() -> counts.remove(0)).isInstanceOf(IllegalStateException.class);
    }
}
