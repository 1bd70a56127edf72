/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BlockTableTest {
    @Test
    void itIsAMapWhateverIsPutAndTakenOut() {
        Random random = new Random(7);
        BlockTable table = new BlockTable();
        Map<Long, Integer> model = new HashMap<>();
        for (int i = 0; i < 200_000; i++) {
            long id = random.nextInt(3_000) * 64L; // many share a home slot
            if (random.nextInt(3) == 0) {
                table.remove(id);
                model.remove(id);
            } else {
                table.put(id, i + 1);
                model.put(id, i + 1);
            }
            long asked = random.nextInt(3_000) * 64L;
            assertThat(table.get(asked)).isEqualTo(model.getOrDefault(asked, 0));
        }
        assertThat(table.size()).isEqualTo(model.size());
        table.clear();
        assertThat(table.size()).isZero();
        assertThat(model.keySet()).allMatch(id -> table.get(id) == 0);
    }

    @Test
    void theLeastRecentBlocksMakeRoomAndOfAPromptItsEnd() {
        Random random = new Random(3);
        BlockLru lru = new BlockLru(100);
        Set<Long> model = new LinkedHashSet<>();
        for (int i = 0; i < 5_000; i++) {
            long[] prompt = new long[1 + random.nextInt(30)];
            long first = random.nextInt(40) * 1_000L;
            for (int k = 0; k < prompt.length; k++) {
                prompt[k] = first + k;
            }
            assertThat(lru.prefix(prompt, prompt.length)).isEqualTo(prefix(model, prompt));
            lru.addAll(prompt);
            for (int k = prompt.length - 1; k >= 0; k--) {
                model.remove(prompt[k]);
                model.add(prompt[k]);
            }
            List<Long> oldest = new ArrayList<>(model);
            oldest.subList(0, Math.max(0, model.size() - 100)).forEach(model::remove);
            assertThat(lru.size()).isEqualTo(model.size());
        }
    }

    private static int prefix(Set<Long> held, long[] prompt) {
        int found = 0;
        while (found < prompt.length && held.contains(prompt[found])) {
            found++;
        }
        return found;
    }
}
