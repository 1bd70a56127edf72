/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What affinity must never cost: hot spots, cliffs, herds. On generated traffic, in simulated seconds. */
class RoutingUnderPressureTest {
    private static final int REQUESTS = 2_000;
    private static final int REPLICAS = 4;
    private static final int SEEDS = 2;
    /** Where chance makes half of a high percentile: of two seeds the one is often twice the other. */
    private static final int MANY_SEEDS = 12;

    private static final Supplier<RoutingPolicy> AFFINITY = RoutingPolicies::prefixAffinity;

    private static Simulation loaded(Trace trace, double load) {
        Simulation simulation = Simulation.builder(trace).replicas(REPLICAS).build();
        return simulation.toBuilder().rate(load * simulation.saturationRate()).build();
    }

    @ParameterizedTest
    @ValueSource(strings = {"uniquePrompts", "sharedPrefix"})
    void whereNothingTellsEndpointsApartAffinityIsNoWorseThanTwoChoices(String name) {
        Trace trace = GeneratedTraces.named(name, REQUESTS, 4);
        for (double load : new double[] {0.3, 0.9}) {
            Simulation simulation = loaded(trace, load);
            SimulationResult affinity = simulation.runMean(AFFINITY, SEEDS);
            SimulationResult choices = simulation.runMean(RoutingPolicies::powerOfTwoChoices, SEEDS);
            assertThat(affinity.timeToFirstToken().mean())
                    .as("%s at %s", name, load)
                    .isLessThan(1.03 * choices.timeToFirstToken().mean());
            assertThat(affinity.timeToFirstToken().p99())
                    .as("%s at %s", name, load)
                    .isLessThan(1.03 * choices.timeToFirstToken().p99());
            assertThat(affinity.imbalance()).as("%s at %s", name, load).isLessThan(1.5);
        }
    }

    @Test
    void onePrefixForAllDoesNotDrawEverythingToOneEndpoint() {
        Trace trace = GeneratedTraces.named("sharedPrefix", REQUESTS, 4);
        for (double load : new double[] {0.2, 0.5}) { // few endpoints may do for little load, as long as nobody waits
            Simulation simulation = loaded(trace, load);
            SimulationResult affinity = simulation.runMean(AFFINITY, SEEDS);
            SimulationResult fewest = simulation.runMean(RoutingPolicies::leastConnections, SEEDS);
            assertThat(affinity.timeToFirstToken().p99())
                    .as("at %s", load)
                    .isLessThan(fewest.timeToFirstToken().p99());
            assertThat(affinity.duration().mean())
                    .as("at %s", load)
                    .isLessThan(1.1 * fewest.duration().mean());
        }
        SimulationRun busy = new SimulationRun(loaded(trace, 0.8), fleet -> RoutingPolicies.prefixAffinity(), 1);
        SimulationResult unused = busy.run();
        assertThat(busy.engines())
                .allSatisfy(engine -> assertThat(engine.starts()).isBetween(REQUESTS / 6, REQUESTS / 3));
    }

    @Test
    void affinityHoldsWhileLoadRisesWithoutACliff() {
        Trace trace = GeneratedTraces.named("tenants", REQUESTS, 4);
        double before = 0;
        double least = 1;
        for (double load : new double[] {0.4, 0.6, 0.8, 0.9, 1.0}) {
            SimulationResult result = loaded(trace, load).runMean(AFFINITY, SEEDS);
            double p99 = result.timeToFirstToken().p99();
            assertThat(p99).as("at %s", load).isLessThan(before == 0 ? 10 : 1.5 * before);
            before = p99;
            least = Math.min(least, result.hitShareOfInfinite());
        }
        // Beyond, KV memory fills up whatever the rule: first tokens wait for it, but affinity is not given up.
        SimulationResult beyond = loaded(trace, 1.1).runMean(AFFINITY, SEEDS);
        least = Math.min(least, beyond.hitShareOfInfinite());
        assertThat(beyond.timeToFirstToken().p99())
                .isLessThan(loaded(trace, 1.1)
                        .runMean(RoutingPolicies::leastConnections, SEEDS)
                        .timeToFirstToken()
                        .p99());
        double without = loaded(trace, 0.4)
                .runMean(RoutingPolicies::leastConnections, SEEDS)
                .hitShareOfInfinite();
        assertThat(least).isGreaterThan(1.2 * without);
    }

    @Test
    void manyClientsThatSeeTheirOwnCallsOnlyDoNotHerd() {
        Trace trace = GeneratedTraces.named("tenants", REQUESTS, 4);
        Simulation alone = loaded(trace, 0.5);
        for (boolean sticky : new boolean[] {false, true}) {
            Simulation many = alone.toBuilder().clients(16, sticky).build();
            SimulationResult affinity = many.runMean(AFFINITY, MANY_SEEDS);
            SimulationResult turns = many.runMean(RoutingPolicies::roundRobin, MANY_SEEDS);
            assertThat(affinity.timeToFirstToken().mean())
                    .as("sticky %s", sticky)
                    .isLessThan(turns.timeToFirstToken().mean());
            assertThat(affinity.timeToFirstToken().p99())
                    .as("sticky %s", sticky)
                    .isLessThan(1.05 * turns.timeToFirstToken().p99());
            assertThat(affinity.imbalance()).as("sticky %s", sticky).isLessThan(1.5);
        }
    }

    @Test
    void whatIsLearnedChangesNothingWhileEnginesAreEqual() {
        Simulation exact = loaded(GeneratedTraces.named("tenants", REQUESTS, 4), 0.85);
        Simulation estimated = exact.toBuilder().tokenEstimate(1.3, 0.1).build();
        double known = exact.runMean(AFFINITY, SEEDS).duration().mean();
        assertThat(estimated.runMean(AFFINITY, SEEDS).duration().mean()).isBetween(0.97 * known, 1.03 * known);
    }
}
