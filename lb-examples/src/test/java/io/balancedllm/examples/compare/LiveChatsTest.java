/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.compare;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class LiveChatsTest {
    @Test
    void chatsWithRealModelsReuseAlmostAllOfTheirPromptsWithPrefixAffinity() {
        Map<String, LiveChats.Tally> tallies = new LiveChats(1, 1).run(List.of("prefixAffinity", "roundRobin"));

        assertThat(tallies).containsOnlyKeys("", "prefixAffinity", "roundRobin");
        double possible = share(tallies, "");
        assertThat(tallies.values()).allSatisfy(tally -> assertThat(tally.turns).isEqualTo(45));
        assertThat(possible).isBetween(0.5, 0.9);
        assertThat(share(tallies, "prefixAffinity")).isGreaterThan(0.75 * possible);
        assertThat(share(tallies, "roundRobin")).isLessThan(0.7 * possible);
    }

    private static double share(Map<String, LiveChats.Tally> tallies, String policy) {
        return LiveChats.share(Objects.requireNonNull(tallies.get(policy)));
    }
}
