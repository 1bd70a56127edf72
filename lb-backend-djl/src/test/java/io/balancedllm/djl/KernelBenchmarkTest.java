/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.time.Ticker;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

class KernelBenchmarkTest {
    private static final double MILLISECOND = 1e6;

    private final List<String> turns = new ArrayList<>();

    @Test
    void contendersAreWarmedUpFirstAndThenTakeTurnsInEachRound() {
        benchmark().run(List.of(), List.of(new Paced("a", 1), new Paced("b", 2)), 1, 4);
        List<String> round = List.of("a prompt", "a 1", "a 4", "b prompt", "b 1", "b 4");
        assertThat(turns).startsWith(round.toArray(String[]::new));
        assertThat(turns).hasSize(4 * round.size());
        for (int i = 1; i < 4; i++) {
            assertThat(turns.subList(i * round.size(), (i + 1) * round.size())).isEqualTo(round);
        }
    }

    @Test
    void aRowTellsMediansOfOneContenderAtOneBatchSize() {
        List<KernelBenchmark.Row> rows =
                benchmark().run(List.of(), List.of(new Paced("a", 1), new Paced("b", 2)), 1, 4);
        assertThat(rows).extracting(KernelBenchmark.Row::kernel).containsExactly("a", "a", "b", "b");
        assertThat(rows).extracting(KernelBenchmark.Row::batch).containsExactly(1, 4, 1, 4);
        assertThat(rows.get(0).decodeTokensPerSecond()).isCloseTo(1_000, within(1e-6));
        assertThat(rows.get(1).decodeTokensPerSecond()).isCloseTo(4_000, within(1e-6));
        assertThat(rows.get(3).decodeTokensPerSecond()).isCloseTo(2_000, within(1e-6));
        assertThat(rows.get(2).prefillTokensPerSecond()).isCloseTo(500, within(1e-6));
        assertThat(rows.get(0).rooflineShare())
                .isCloseTo(2 * rows.get(2).rooflineShare(), within(1e-6))
                .isPositive();
    }

    @Test
    void aKernelIsMeasuredByItsName() {
        assertThat(benchmark().run(List.of(KernelChoice.PLAIN_JAVA), List.of(), 2))
                .singleElement()
                .satisfies(row -> {
                    assertThat(row.kernel()).isEqualTo("plain Java");
                    assertThat(row.batch()).isEqualTo(2);
                    assertThat(row.decodeTokensPerSecond()).isPositive();
                });
    }

    /** On a clock that goes on by 50 ms whenever it is looked at. */
    private static KernelBenchmark benchmark() {
        long[] now = {0};
        Ticker ticker = () -> now[0] += 50_000_000;
        return new KernelBenchmark("tiny", 1, ticker);
    }

    /** Takes so many milliseconds for everything, for each token of a prompt, with outliers. */
    private final class Paced implements KernelBenchmark.Contender {
        private final String name;
        private final double nanos;

        Paced(String name, int milliseconds) {
            this.name = name;
            nanos = milliseconds * MILLISECOND;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public boolean onHeap() {
            return true;
        }

        @Override
        public int weightBytes() {
            return Float.BYTES;
        }

        @Override
        public double prompt(int tokens) {
            turns.add(name + " prompt");
            return tokens * nanos;
        }

        @Override
        public List<Double> steps(int batch, int tokens, long atLeast) {
            turns.add(name + " " + batch);
            List<Double> steps = new ArrayList<>(Collections.nCopies(tokens, nanos));
            steps.set(0, 100 * nanos);
            return steps;
        }

        @Override
        public void close() {
            throw new AssertionError("who made it closes it");
        }
    }
}
