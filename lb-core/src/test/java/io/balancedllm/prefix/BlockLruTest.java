/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BlockLruTest {
    @ParameterizedTest
    @ValueSource(ints = {5, 40, 700, 20_000})
    void behavesLikeALinkedHashMapFromWhichAUsedKeyIsTakenOutAndPutBack(int keys) {
        Random random = new Random(keys);
        BlockLru lru = new BlockLru();
        LinkedHashMap<Long, Long> model = new LinkedHashMap<>();
        for (long step = 0; step < 200_000; step++) {
            // Neighbouring keys, as trace ids are, and now and then a phase in which more is removed than added.
            long key = 1L + random.nextInt(keys);
            boolean shrinking = step % 50_000 > 35_000;
            if (random.nextInt(10) < (shrinking ? 3 : 7)) {
                assertThat(lru.use(key, step)).isEqualTo(model.remove(key) == null);
                model.put(key, step);
            } else if (shrinking && lru.size() > 0) {
                long oldest = model.keySet().iterator().next();
                assertThat(lru.oldest()).isEqualTo(oldest);
                assertThat(lru.oldestUse()).isEqualTo(model.values().iterator().next());
                assertThat(lru.remove(oldest)).isTrue();
                model.remove(oldest);
            } else {
                assertThat(lru.remove(key)).isEqualTo(model.remove(key) != null);
            }
            assertThat(lru.size()).isEqualTo(model.size());
            assertThat(lru.lastUse(key)).isEqualTo(model.getOrDefault(key, -1L));
        }
        for (long key : model.keySet().stream().toList()) {
            assertThat(lru.oldest()).isEqualTo(key);
            lru.remove(key);
        }
        assertThat(lru.oldest()).isEqualTo(BlockLru.NO_KEY);
        assertThat(lru.oldestUse()).isNegative();
    }

    @Test
    void hasRoomForNoMoreThanIsExpected() {
        BlockLru lru = new BlockLru();
        lru.expect(1_000);
        for (long key = 1; key <= 1_000; key++) {
            lru.use(key, key);
        }

        assertThat(lru.bytes()).isLessThanOrEqualTo(1_000 * 24 * 5 / 4 + 24);
    }

    @Test
    void givesMemoryBack() {
        BlockLru lru = new BlockLru();
        for (long key = 1; key <= 10_000; key++) {
            lru.use(key, key);
        }
        for (long key = 1; key <= 9_990; key++) {
            lru.remove(key);
        }

        assertThat(lru.bytes()).isLessThan(2_000);
        assertThat(lru.oldest()).isEqualTo(9_991);
    }
}
