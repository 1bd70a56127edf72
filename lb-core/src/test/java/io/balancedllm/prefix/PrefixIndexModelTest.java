/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Random lives of an index beside the plainest thing that does the same. */
class PrefixIndexModelTest {
    private static final int STEPS = 4_000;
    private static final int MOST_IN_FLIGHT = 12;
    private static final long AMPLE_BYTES = 1_000_000;

    /** An attempt in both worlds. */
    private record Sent(int holder, PrefixPrediction real, NaiveIndex.Prediction naive) {}

    @ParameterizedTest
    @CsvSource({
        "1, 3, 1000000, 60",
        "2, 8, 66000, 1000",
        "3, 5, 70000, 400",
        "4, 63, 1000000, 40",
        "5, 70, 1000000, 40",
        "6, 200, 200000, 30"
    })
    void agreesWithAMapForEachEndpoint(long seed, int endpoints, long maxBytes, int capacity) {
        Random random = new Random(seed);
        PrefixIndex index = new PrefixIndex(maxBytes);
        NaiveIndex model = new NaiveIndex();
        List<PrefixHolder> holders = new ArrayList<>();
        List<Sent> inFlight = new ArrayList<>();
        for (int i = 0; i < endpoints; i++) {
            holders.add(index.join("e" + i));
            holders.get(i).capacityBlocks(capacity);
            model.holders.add(new NaiveIndex.Holder());
            model.holders.get(i).capacity(capacity);
        }
        for (int step = 0; step < STEPS; step++) {
            int at = random.nextInt(endpoints);
            int action = random.nextInt(100);
            if (action < 45 || inFlight.isEmpty()) {
                PromptBlocks prompt = prompt(random);
                inFlight.add(new Sent(
                        at,
                        holders.get(at).dispatched(prompt),
                        model.holders.get(at).dispatched(prompt)));
                if (inFlight.size() > MOST_IN_FLIGHT) {
                    end(inFlight.remove(0), holders, model, random);
                }
            } else if (action < 60) {
                Sent sent = inFlight.get(random.nextInt(inFlight.size()));
                holders.get(sent.holder).firstToken(sent.real);
                model.holders.get(sent.holder).computed(sent.naive);
            } else if (action < 95) {
                end(inFlight.remove(random.nextInt(inFlight.size())), holders, model, random);
            } else if (action < 98) {
                int blocks = 1 + random.nextInt(capacity);
                holders.get(at).capacityBlocks(blocks);
                model.holders.get(at).capacity(blocks);
            } else {
                holders.get(at).leave();
                inFlight.removeIf(sent -> sent.holder == at);
                holders.set(at, index.join("e" + at));
                holders.get(at).capacityBlocks(capacity);
                model.holders.set(at, new NaiveIndex.Holder());
                model.holders.get(at).capacity(capacity);
            }
            requireSame(index, maxBytes, holders, model, prompt(random));
        }
        holders.forEach(PrefixHolder::leave);
        assertThat(index.statistics().bytes())
                .isEqualTo(new PrefixIndex().statistics().bytes());
    }

    private static void end(Sent sent, List<PrefixHolder> holders, NaiveIndex model, Random random) {
        PrefixHolder real = holders.get(sent.holder);
        NaiveIndex.Holder naive = model.holders.get(sent.holder);
        int promptTokens = sent.real.blocks().promptTokens();
        int predicted = sent.real.predictedBlocks();
        switch (random.nextInt(4)) {
            case 0 -> {
                real.abandoned(sent.real);
                naive.abandoned(sent.naive);
            }
            case 1 -> {
                int actual = random.nextInt(predicted + 1);
                real.answered(sent.real, promptTokens, OptionalInt.of(Prompts.tokens(actual)));
                naive.answered(sent.naive, actual);
            }
            default -> {
                real.answered(sent.real, promptTokens, OptionalInt.of(Prompts.tokens(predicted)));
                naive.answered(sent.naive, predicted);
            }
        }
    }

    private static void requireSame(
            PrefixIndex index, long maxBytes, List<PrefixHolder> holders, NaiveIndex model, PromptBlocks prompt) {
        assertThat(index.statistics().bytes()).isLessThanOrEqualTo(maxBytes);
        if (maxBytes < AMPLE_BYTES) {
            // What the bound takes must be what was used longest ago.
            for (int i = 0; i < holders.size(); i++) {
                model.holders.get(i).shrinkTo(holders.get(i).size());
            }
        }
        int[] result = new int[index.slots()];
        int most = index.match(prompt, result);
        int expectedMost = 0;
        for (int i = 0; i < holders.size(); i++) {
            int expected = model.holders.get(i).match(prompt);
            assertThat(result[holders.get(i).slot()]).isEqualTo(expected);
            assertThat(holders.get(i).match(prompt)).isEqualTo(expected);
            expectedMost = Math.max(expectedMost, expected);
        }
        assertThat(most).isEqualTo(expectedMost);
        PrefixStatistics statistics = index.statistics();
        assertThat(statistics.entries()).isEqualTo(model.entries());
        assertThat(statistics.blocks()).isEqualTo(model.blocks());
        assertThat(statistics.holders()).isEqualTo(holders.size());
    }

    /** Few numbers and more of the small ones, so that prompts share beginnings. */
    private static PromptBlocks prompt(Random random) {
        return Prompts.of(LongStream.generate(() -> Math.min(random.nextInt(4), random.nextInt(4)))
                .limit(random.nextInt(14))
                .toArray());
    }
}
