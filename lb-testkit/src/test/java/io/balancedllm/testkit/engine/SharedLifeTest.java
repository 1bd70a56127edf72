/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.LongStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Equal calls at the same time, cancelled, late, failed and taken over at every point, in an order drawn by a seed. */
@DisplayName("E4: equal calls share one generation, each ends once, and none gets a mixture")
class SharedLifeTest {
    private static final int CALLS = 400;
    private static final int SEEDS = 40;
    private static final int MORE_SEEDS = 2_000;

    static LongStream seeds() {
        return LongStream.range(0, SEEDS);
    }

    static LongStream moreSeeds() {
        return LongStream.range(SEEDS, MORE_SEEDS);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void everyCallEndsOnceWithOneAnswer(long seed) {
        SharedLife life = new SharedLife(seed, CALLS, seed % 2 == 1);

        life.run();

        life.assertNothingWasLostOrMixedUp();
    }

    @Tag("long")
    @ParameterizedTest(name = "seed {0}")
    @MethodSource("moreSeeds")
    void everyCallEndsOnceWithOneAnswerInMoreLives(long seed) {
        everyCallEndsOnceWithOneAnswer(seed);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theSameSeedLivesTheSameLife(boolean byMeaning) {
        SharedLife one = new SharedLife(42, CALLS, byMeaning);
        SharedLife two = new SharedLife(42, CALLS, byMeaning);

        one.run();
        two.run();

        assertThat(two.stories()).isEqualTo(one.stories());
    }

    @Test
    void aLifeHasEverythingInIt() {
        SharedLife life = new SharedLife(7, 4 * CALLS, true);

        life.run();

        assertThat(life.outcomes().exact()).as("exact").isPositive();
        assertThat(life.outcomes().joined()).as("joined").isPositive();
        assertThat(life.outcomes().semantic()).as("semantic").isPositive();
        assertThat(life.outcomes().vetoed()).as("vetoed").isPositive();
        assertThat(life.outlived()).as("leaders that left").isPositive();
        assertThat(life.stories()).as("retried").anyMatch(story -> story.matches(".*E.*E.*"));
    }
}
