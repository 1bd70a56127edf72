/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class StopStringsTest {
    @Test
    void whatMayBecomeAStopStringIsHeldBack() {
        StopStrings stops = new StopStrings(List.of("END", "\n\n"));
        assertThat(stops.append("the E")).isEqualTo("the ");
        assertThat(stops.append("N")).isEmpty();
        assertThat(stops.append("E")).isEqualTo("EN");
        assertThat(stops.append("ND.")).isEmpty();
        assertThat(stops.met()).isTrue();
        assertThat(stops.finish()).isEmpty();
    }

    @Test
    void whatWasHeldBackComesOutAtTheEnd() {
        StopStrings stops = new StopStrings(List.of("END", ""));
        assertThat(stops.append("an EN") + stops.finish()).isEqualTo("an EN");
        assertThat(stops.met()).isFalse();
    }

    @Test
    void theEarliestStopStringWinsHoweverTheTextIsCut() {
        SplittableRandom random = new SplittableRandom(1);
        for (int round = 0; round < 20_000; round++) {
            String text = letters(random, 12);
            List<String> candidates = List.of(letters(random, 1 + random.nextInt(3)), letters(random, 3));
            StopStrings stops = new StopStrings(candidates);
            StringBuilder out = new StringBuilder();
            for (int i = 0; i < text.length() && !stops.met(); i++) {
                out.append(stops.append(text.substring(i, i + 1)));
            }
            out.append(stops.finish());
            int first = candidates.stream()
                    .mapToInt(text::indexOf)
                    .filter(index -> index >= 0)
                    .min()
                    .orElse(text.length());
            if (stops.met()) {
                assertThat(candidates).anyMatch(stop -> text.startsWith(stop, out.length()));
                assertThat(out.length()).isGreaterThanOrEqualTo(first);
            } else {
                assertThat(out).hasToString(text);
            }
            assertThat(text).startsWith(out);
            assertThat(candidates).noneMatch(stop -> out.toString().contains(stop));
        }
    }

    private static String letters(SplittableRandom random, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append((char) ('a' + random.nextInt(2)));
        }
        return text.toString();
    }
}
