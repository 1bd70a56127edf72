/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.contract.EveryPolicy;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import java.lang.reflect.Method;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Ten thousand calls under each policy on one thread, with failures, cancels, timeouts, hedges, slow readers, drained,
 * removed, replaced, dying, frozen and flapping endpoints and switched policies, in an order drawn by a seed. In every
 * second life endpoints are judged. A failure names policy and seed, and repeats.
 */
@DisplayName("A1, A2, A3: under every policy each call ends once, and nothing is left in flight")
class RandomLifeTest {
    private static final int CALLS = 1_000;
    private static final int SEEDS = 10;
    private static final int MORE_SEEDS = 60;

    static Stream<Arguments> lives() {
        return lives(0, SEEDS);
    }

    static Stream<Arguments> moreLives() {
        return lives(SEEDS, MORE_SEEDS);
    }

    private static Stream<Arguments> lives(int from, int to) {
        return EveryPolicy.names().stream()
                .flatMap(policy -> IntStream.range(from, to).mapToObj(seed -> Arguments.of(policy, seed)));
    }

    @ParameterizedTest(name = "{0}, seed {1}")
    @MethodSource("lives")
    void everyCallEndsOnceAndNothingIsLeft(String policy, long seed) {
        RandomLife life =
                new RandomLife(policy, seed, CALLS, seed % 2 == 0 ? HealthCheck.off() : HealthCheck.defaults());

        life.run();

        life.assertNothingWasLostOrCountedTwice();
    }

    @Tag("long")
    @ParameterizedTest(name = "{0}, seed {1}")
    @MethodSource("moreLives")
    void everyCallEndsOnceAndNothingIsLeftInMoreLives(String policy, long seed) {
        everyCallEndsOnceAndNothingIsLeft(policy, seed);
    }

    @Test
    @DisplayName("A2: every policy of the library is among them")
    void noPolicyIsLeftOut() {
        assertThat(RoutingPolicies.class.getMethods())
                .filteredOn(method -> RoutingPolicy.class.isAssignableFrom(method.getReturnType()))
                .extracting(Method::getName)
                .filteredOn(name -> !name.equals("named"))
                .isSubsetOf(EveryPolicy.names());
    }

    @Test
    void theSameSeedLivesTheSameLife() {
        RandomLife one = new RandomLife("leastConnections", 42, CALLS);
        RandomLife two = new RandomLife("leastConnections", 42, CALLS);

        one.run();
        two.run();

        assertThat(two.stories()).isEqualTo(one.stories());
    }

    @Test
    void aLifeHasEverythingInIt() {
        RandomLife life = new RandomLife("leastConnections", 7, CALLS);

        life.run();

        assertThat(life.stories())
                .as("waited, retried, ended without an attempt, had a first token")
                .anyMatch(story -> story.contains("W"))
                .anyMatch(story -> story.matches(".*E.*E.*"))
                .contains("SX")
                .anyMatch(story -> story.contains("F"))
                .as("was hedged")
                .anyMatch(story -> story.matches(".*A[^E]*A.*"));
    }
}
