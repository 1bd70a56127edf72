/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bounds are five standard deviations of a count, which is binomial. */
class TiesTest {
    private static final int DRAWS = 64_000;

    @Test
    void theOnlyOneIsTakenWithoutChance() {
        assertThat(Ties.draw(Ties.of(2), 1, 0, FakePool.of(4).all(), FakeCall.with(new NoRandom()))
                        .id())
                .isEqualTo("c");
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 7, 16, 64})
    void equalsOfOneWeightAreDrawnEvenly(int size) {
        FakePool pool = FakePool.of(size);
        long all = size == Long.SIZE ? -1L : Ties.of(size) - 1;

        assertEven(counts(i -> pool.all(), all), size);
    }

    @Test
    void thoseThatAreNotEqualAreNeverDrawn() {
        FakePool pool = FakePool.of(8);

        assertThat(counts(i -> pool.all(), Ties.of(1) | Ties.of(4) | Ties.of(7)))
                .containsOnlyKeys("b", "e", "h")
                .satisfies(counts -> assertEven(counts, 3));
    }

    @Test
    void othersAreDrawnInProportionToTheirWeights() {
        FakePool pool = FakePool.withWeights(1, 2, 4, 1);

        Map<String, Integer> counts = counts(i -> pool.all(), Ties.of(0) | Ties.of(1) | Ties.of(2));
        assertThat(counts).containsOnlyKeys("a", "b", "c");
        assertShare(counts.getOrDefault("a", 0), 1.0 / 7);
        assertShare(counts.getOrDefault("b", 0), 2.0 / 7);
        assertShare(counts.getOrDefault("c", 0), 4.0 / 7);
    }

    /** In a row: a chance that is made from the one before would favour what lies beside the last choice. */
    @Test
    void aDrawSaysNothingOfTheNext() {
        FakePool pool = FakePool.of(4);
        FakeCall call = FakeCall.seeded(9);
        int[][] followers = new int[4][4];
        int last = 0;
        for (int i = 0; i < DRAWS; i++) {
            int next = Ties.draw(0b1111, 4, 0, pool.all(), call).id().charAt(0) - 'a';
            followers[last][next]++;
            last = next;
        }
        for (int[] row : followers) {
            for (int count : row) {
                assertShare(count, 1.0 / 16);
            }
        }
    }

    @Test
    void ofASampleTheOnesThatWereLookedAtAreDrawn() {
        int size = 100;
        int start = 90;
        FakePool pool = FakePool.of(size);
        long equals = Ties.of(0) | Ties.of(5) | Ties.of(31);

        assertThat(counts(i -> pool.all(), equals, start))
                .containsOnlyKeys(
                        "e" + Scan.place(0, size, start),
                        "e" + Scan.place(5, size, start),
                        "e" + Scan.place(31, size, start));
    }

    @ParameterizedTest
    @ValueSource(strings = {"leastConnections", "leastPendingPromptTokens", "leastLoaded"})
    void anIdlePoolIsUsedByWeight(String policy) {
        double[] weights = {1, 3, 2, 2};
        FakePool pool = FakePool.withWeights(weights);

        Map<String, Integer> counts =
                Picks.counts(RoutingPolicies.named(policy), FakeCall.seeded(5), i -> pool.all(), DRAWS);
        for (int i = 0; i < weights.length; i++) {
            assertShare(
                    counts.getOrDefault(pool.get(i).id(), 0),
                    weights[i] / DoubleStream.of(weights).sum());
        }
    }

    private static Map<String, Integer> counts(IntFunction<Candidates> candidates, long equals) {
        return counts(candidates, equals, 0);
    }

    private static Map<String, Integer> counts(IntFunction<Candidates> candidates, long equals, int start) {
        RoutingPolicy drawing = (call, from) -> {
            double weights = 0;
            for (int i = 0; i < Scan.count(from.size()); i++) {
                weights += (equals >>> i & 1)
                        * from.get(Scan.place(i, from.size(), start)).weight();
            }
            return Ties.draw(equals, weights, start, from, call);
        };
        return Picks.counts(drawing, FakeCall.seeded(7), candidates, DRAWS);
    }

    private static void assertEven(Map<String, Integer> counts, int size) {
        assertThat(counts).hasSize(size);
        counts.values().forEach(count -> assertShare(count, 1.0 / size));
    }

    private static void assertShare(int count, double share) {
        assertThat((double) count).isCloseTo(share * DRAWS, within(5 * Math.sqrt(DRAWS * share * (1 - share))));
    }
}
