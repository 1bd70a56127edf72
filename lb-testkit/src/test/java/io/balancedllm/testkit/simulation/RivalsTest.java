/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RivalsTest {
    private static final Trace TRACE = SmallTraces.mixed(1_500, 0.11, 3);
    private static final Simulation SIMULATION =
            Simulation.builder(TRACE).replicas(4).kvBlocks(200).build();

    static List<String> names() {
        return Rivals.names();
    }

    @ParameterizedTest
    @MethodSource("names")
    void aRivalServesEverythingTheSameForTheSameSeed(String name) {
        SimulationResult result = SIMULATION.run(Rivals.named(name), 5);
        assertThat(result.requests()).isEqualTo(1_350);
        assertThat(result.failed()).isZero();
        assertThat(SIMULATION.run(Rivals.named(name), 5)).isEqualTo(result);
    }

    @ParameterizedTest
    @MethodSource("names")
    void aRivalBeatsTakingTurnsWherePromptsShareTheirStart(String name) {
        double turns = SIMULATION
                .run(RoutingPolicies::roundRobin, 1)
                .timeToFirstToken()
                .mean();
        assertThat(SIMULATION.run(Rivals.named(name), 1).timeToFirstToken().mean())
                .isLessThan(turns);
    }

    @ParameterizedTest
    @MethodSource("names")
    void aRivalSaysWhatItIsAndSurvivesEnginesThatFail(String name) {
        List<RoutingPolicy> made = new ArrayList<>();
        SimulationResult result = SIMULATION.toBuilder()
                .outage(new Outage(Outage.Kind.CRASHES, 1, 20, 60))
                .join(30, 1)
                .leave(80, 0)
                .build()
                .run(
                        fleet -> {
                            made.add(Rivals.named(name).apply(fleet));
                            return made.get(0);
                        },
                        1);
        assertThat(result.requests()).isGreaterThan(1_000);
        assertThat(made.get(0)).asString().startsWith(name + "(");
    }

    @Test
    void whatAPolicyCountedOnInVainIsMeasured() {
        SimulationResult own = SIMULATION.run(Rivals.named("sglang"), 1);
        assertThat(own.overPrediction()).isGreaterThan(0).isLessThan(0.1);
        assertThat(SIMULATION.run(RoutingPolicies::roundRobin, 1).overPrediction())
                .isZero();
    }

    @Test
    void thePooledBoundHitsWhatACacheThatForgetsNothingWould() {
        assertThat(SIMULATION.run(Rivals.named("pooled"), 1).hitShareOfInfinite())
                .isBetween(0.97, 1.0);
    }

    @Test
    void anUnknownNameIsRefusedWithTheNamesThereAre() {
        assertThatThrownBy(() -> Rivals.named("x"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("sglang, aibrix, llmd, dynamo, lmetric, md, oracle, pooled");
    }
}
