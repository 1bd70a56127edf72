/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Long prompts come one after the other while others decode, on one clock that both places share. */
class SplitTest {
    private static final int DECODES = 3;
    private static final int PROMPTS = 40;
    private static final int PROMPT_TOKENS = 100;
    /** Prompts after which both ways have been seen. */
    private static final int LEARNING = 4;

    @Test
    void whereThePlacesDoNotDisturbEachOtherPromptsGoAwayAndNobodyIsHeldUp() {
        Load whole = chunked();
        try (Places places = new Places(true)) {
            places.take(LEARNING);
            Load load = places.take(PROMPTS);
            assertThat(load.sent()).as("all but a trial or two").isGreaterThanOrEqualTo(PROMPTS - 2);
            assertThat(load.gap(0.9)).isLessThan(0.5 * whole.gap(0.9));
            assertThat(load.firstToken()).isLessThan(whole.firstToken());
        }
    }

    @Test
    void whereTheyShareACoreTheSplitIsSeldomTriedAndNoWorseThanChunks() {
        Load whole = chunked();
        try (Places places = new Places(true)) {
            places.slow(2);
            places.take(LEARNING);
            Load load = places.take(PROMPTS);
            assertThat(load.sent()).isLessThanOrEqualTo(2);
            assertThat(load.gap(0.99)).isLessThan(1.03 * whole.gap(0.99));
            assertThat(load.firstToken()).isLessThan(1.05 * whole.firstToken());
        }
    }

    @Test
    void whereOnlyDecodingSuffersThatCountsToo() {
        try (Places places = new Places(true)) {
            places.prefillerSlowdown = 1;
            places.engineSlowdown = 4;
            places.take(LEARNING);
            assertThat(places.take(PROMPTS).sent()).isLessThanOrEqualTo(2);
        }
    }

    @Test
    void changedCircumstancesAreNoticedEitherWay() {
        try (Places places = new Places(true)) {
            places.slow(2);
            places.take(LEARNING + PROMPTS);
            places.slow(1);
            places.take(2 * PROMPTS);
            assertThat(places.take(PROMPTS).sent()).isGreaterThanOrEqualTo(PROMPTS - 5);
            places.slow(3);
            places.take(LEARNING);
            assertThat(places.take(PROMPTS).sent()).isLessThanOrEqualTo(3);
        }
    }

    @Test
    void aSlowHandoverIsACost() {
        try (Places places = new Places(true)) {
            places.take(LEARNING);
            Split split = places.split();
            Split.Prompt asked = new Split.Prompt(PROMPT_TOKENS, PROMPT_TOKENS, 1, 0, 22);
            assertThat(split.pays(asked)).isTrue();
            split.handedOver(PROMPT_TOKENS, 10);
            assertThat(split.pays(asked)).isFalse();
        }
    }

    @Test
    void promptsInTheWayCountInBothPlaces() {
        try (Places places = new Places(true)) {
            places.slow(2);
            places.take(LEARNING);
            Split split = places.split();
            assertThat(split.pays(new Split.Prompt(100, 100, 1, 0, 22))).isFalse();
            assertThat(split.pays(new Split.Prompt(100, 100, 1, 1_000, 22)))
                    .as("the engine has a thousand tokens to compute first")
                    .isTrue();
        }
    }

    private static Load chunked() {
        try (Places places = new Places(false)) {
            places.take(LEARNING);
            return places.take(PROMPTS);
        }
    }

    /**
     * What was seen.
     *
     * @param gaps seconds between the tokens of those that decode
     * @param firstTokens seconds to the first tokens of prompts
     * @param sent how many prompts were computed beside the engine
     */
    private record Load(List<Double> gaps, List<Double> firstTokens, int sent) {
        double gap(double quantile) {
            List<Double> sorted = gaps.stream().sorted().toList();
            return sorted.get((int) (quantile * (sorted.size() - 1)));
        }

        double firstToken() {
            return firstTokens.stream()
                    .mapToDouble(Double::doubleValue)
                    .average()
                    .orElseThrow();
        }
    }

    /** An engine, and a prefiller during whose steps the engine goes on; each may slow the other down. */
    private static final class Places implements AutoCloseable {
        final Stepped engine = new Stepped(new EngineOptions(8, 64, 2048, 256));
        private final TimedKernel other =
                new TimedKernel(engine.backend.model().kernel().replica(), engine.now);
        private final Prefiller prefiller =
                new Prefiller(engine.backend.model().withKernel(other), true, 256, engine.now::get);
        private final List<Double> gaps = new ArrayList<>();
        private final List<RecordingSink> decoding = new ArrayList<>();
        double engineSlowdown = 1;
        double prefillerSlowdown = 1;
        private boolean both;
        private int seed;

        Places(boolean apart) {
            engine.kernel.passing = nanos -> engine.now.addAndGet((long) (nanos * (both ? engineSlowdown : 1)));
            other.passing = nanos -> {
                long end = engine.now.get() + (long) (nanos * prefillerSlowdown);
                both = true;
                while (engine.now.get() < end) {
                    decode();
                    if (!engine.backend.engine().step()) {
                        engine.now.set(end);
                    }
                }
                both = false;
            };
            if (apart) {
                engine.backend.engine().splitOff(prefiller);
            }
        }

        void slow(double times) {
            engineSlowdown = times;
            prefillerSlowdown = times;
        }

        Split split() {
            Split split = engine.backend.engine().split();
            if (split == null) {
                throw new AssertionError("nothing is split off");
            }
            return split;
        }

        Load take(int prompts) {
            gaps.clear();
            int before = other.steps.size();
            List<Double> firstTokens = new ArrayList<>();
            for (int i = 0; i < prompts; i++) {
                long began = engine.now.get();
                RecordingSink sink = engine.start(greedy(prompt(PROMPT_TOKENS, 1_000 + seed++), 1));
                while (sink.terminal.isEmpty()) {
                    decode();
                    if (!prefiller.step()) {
                        engine.step(1);
                    }
                }
                firstTokens.add((engine.now.get() - began) / 1e9);
            }
            return new Load(List.copyOf(gaps), firstTokens, other.steps.size() - before);
        }

        /** Keeps some sequences decoding. */
        private void decode() {
            decoding.removeIf(sink -> !sink.terminal.isEmpty());
            while (decoding.size() < DECODES) {
                RecordingSink sink = engine.start(greedy(prompt(4, seed++), 100));
                long[] last = {0};
                sink.eachChunk = () -> {
                    long now = engine.now.get();
                    if (last[0] != 0) {
                        gaps.add((now - last[0]) / 1e9);
                    }
                    last[0] = now;
                };
                decoding.add(sink);
            }
        }

        @Override
        public void close() {
            engine.close();
            prefiller.shutDown();
        }
    }
}
