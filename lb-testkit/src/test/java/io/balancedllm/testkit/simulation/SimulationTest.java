/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.completion.LlmException;
import io.balancedllm.metrics.LlmStatistics;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SimulationTest {
    private static final Supplier<RoutingPolicy> LEAST_PENDING = RoutingPolicies::leastPendingPromptTokens;

    private final Trace trace = SmallTraces.mixed(600, 0.06, 11);

    @ParameterizedTest
    @ValueSource(strings = {"roundRobin", "leastConnections", "powerOfTwoChoices", "random", "weightedRoundRobin"})
    void theSameSeedGivesTheSameResult(String policy) {
        Simulation simulation = Simulation.builder(trace).replicas(4).build();
        SimulationResult first = simulation.run(() -> RoutingPolicies.named(policy), 3);
        assertThat(simulation.run(() -> RoutingPolicies.named(policy), 3)).isEqualTo(first);
    }

    @Test
    void anotherSeedIsAnotherRun() {
        Simulation simulation = Simulation.builder(trace).replicas(4).build();
        assertThat(simulation.run(RoutingPolicies::random, 1)).isNotEqualTo(simulation.run(RoutingPolicies::random, 2));
    }

    @Test
    void inTheEndEveryRequestIsAnsweredAndNothingIsLeftBehind() {
        Simulation simulation =
                Simulation.builder(trace).replicas(3).kvBlocks(200).build();
        SimulationRun run = new SimulationRun(simulation, fleet -> RoutingPolicies.leastConnections(), 1);
        SimulationResult result = run.run();
        assertThat(result.failed()).isZero();
        assertThat(result.requests()).isEqualTo(540); // 600 less the warm-up
        assertThat(run.time().pendingTimers()).isZero();
        assertThat(run.engines()).allSatisfy(engine -> {
            engine.verify();
            assertThat(engine.requests()).isZero();
            assertThat(engine.kvBlocksInUse()).isZero();
        });
    }

    @Test
    void theBalancerCountsTheSame() {
        Simulation simulation = Simulation.builder(trace).replicas(4).warmUp(0).build();
        SimulationRun run = new SimulationRun(simulation, fleet -> RoutingPolicies.leastConnections(), 1);
        SimulationResult result = run.run();
        LlmStatistics statistics = run.statistics();
        assertThat(statistics.completed()).isEqualTo(600);
        assertThat(statistics.attempts()).isEqualTo(600);
        assertThat(statistics.endpoints()).hasSize(4);
        // Its histograms keep two significant digits.
        assertThat(statistics.timeToFirstToken().total().p99().toNanos() / 1e9)
                .isCloseTo(
                        result.timeToFirstToken().p99(),
                        within(0.01 * result.timeToFirstToken().p99()));
        assertThat(statistics.duration().total().mean().toNanos() / 1e9)
                .isCloseTo(
                        result.duration().mean(),
                        within(0.01 * result.duration().mean()));
    }

    @Test
    void withoutLoadTheFirstTokenTakesThePromptAlone() {
        SimulatedPrompt prompt = new SimulatedPrompt(12_000, List.of());
        Trace calm = Trace.of(List.of(
                new TraceRequest(0, prompt, 100), new TraceRequest(60, prompt, 1), new TraceRequest(120, prompt, 2)));
        SimulationResult result =
                Simulation.builder(calm).replicas(1).warmUp(0).build().run(RoutingPolicies::roundRobin, 1);
        double alone = EngineModel.LLAMA_8B_ON_H100.prefillSeconds(12_000, 0);
        assertThat(result.timeToFirstToken().p50()).isCloseTo(alone, within(1e-7));
        assertThat(result.timeToFirstToken().p99()).isCloseTo(alone, within(1e-7));
        assertThat(result.hitShare()).isZero();
    }

    @Test
    void aRequestThatComesBackIsCountedAsAHit() {
        SimulatedPrompt prompt = Answer.prompt(12_000, 0);
        Trace twice = Trace.of(List.of(new TraceRequest(0, prompt, 10), new TraceRequest(60, prompt, 10)));
        SimulationResult result =
                Simulation.builder(twice).replicas(1).warmUp(0).build().run(RoutingPolicies::roundRobin, 1);
        assertThat(result.hitShare()).isCloseTo(23 * 512 / 24_000.0, within(1e-12));
        assertThat(result.hitShareOfInfinite()).isEqualTo(1);
    }

    @Test
    void theWarmUpIsLeftOut() {
        SimulatedPrompt prompt = Answer.prompt(12_000, 0);
        Trace twice = Trace.of(List.of(new TraceRequest(0, prompt, 10), new TraceRequest(60, prompt, 10)));
        SimulationResult result =
                Simulation.builder(twice).replicas(1).warmUp(0.5).build().run(RoutingPolicies::roundRobin, 1);
        assertThat(result.requests()).isEqualTo(1);
        assertThat(result.hitShare()).isCloseTo(23 * 512 / 12_000.0, within(1e-12));
    }

    @Test
    void seeingThePromptsThatWaitBeatsCountingRequestsAndThatBeatsTakingTurns() {
        Simulation simulation = Simulation.builder(SmallTraces.mixed(2_000, 0.09, 5))
                .replicas(4)
                .build();
        double leastPending =
                simulation.runMean(LEAST_PENDING, 3).timeToFirstToken().p95();
        double leastConnections = simulation
                .runMean(RoutingPolicies::leastConnections, 3)
                .timeToFirstToken()
                .p95();
        double roundRobin = simulation
                .runMean(RoutingPolicies::roundRobin, 3)
                .timeToFirstToken()
                .p95();
        assertThat(leastPending).isLessThan(0.9 * leastConnections);
        assertThat(leastConnections).isLessThan(0.9 * roundRobin);
    }

    @Test
    void aMeanIsTheMeanOfTheRuns() {
        Simulation simulation = Simulation.builder(trace).replicas(4).build();
        SimulationResult one = simulation.run(RoutingPolicies::random, 1);
        SimulationResult two = simulation.run(RoutingPolicies::random, 2);
        SimulationResult mean = simulation.runMean(RoutingPolicies::random, 2);
        assertThat(mean.duration().mean())
                .isCloseTo((one.duration().mean() + two.duration().mean()) / 2, within(1e-12));
        assertThat(mean.hitShare()).isCloseTo((one.hitShare() + two.hitShare()) / 2, within(1e-12));
    }

    @Test
    void aSlowReplicaMakesTakingTurnsSlower() {
        double even = Simulation.builder(trace)
                .replicas(2)
                .build()
                .run(RoutingPolicies::roundRobin, 1)
                .timeToFirstToken()
                .mean();
        double uneven = Simulation.builder(trace)
                .speeds(1, 0.5)
                .build()
                .run(RoutingPolicies::roundRobin, 1)
                .timeToFirstToken()
                .mean();
        assertThat(uneven).isGreaterThan(1.5 * even);
    }

    @Test
    void aPolicyThatThrowsFailsItsRequestsAndTheRunGoesOn() {
        int[] picks = {0};
        RoutingPolicy broken = (call, candidates) -> {
            if (++picks[0] % 2 == 0) {
                throw new IllegalStateException("broken");
            }
            return candidates.get(0);
        };
        SimulationResult result = Simulation.builder(trace).build().run(() -> broken, 1);
        assertThat(result.failed()).isEqualTo(300);
        assertThat(result.requests()).isEqualTo(270);
    }

    @Test
    void aRunInWhichNothingIsServedFailsWithTheFirstReason() {
        RoutingPolicy broken = (call, candidates) -> {
            throw new IllegalStateException("broken");
        };
        assertThatThrownBy(() -> Simulation.builder(trace).build().run(() -> broken, 1))
                .isInstanceOf(IllegalStateException.class)
                .cause()
                .isInstanceOf(LlmException.class)
                .hasMessageContaining("broken");
    }

    @Test
    void impossibleParametersAreRefusedByName() {
        Simulation.Builder builder = Simulation.builder(trace);
        assertThatThrownBy(() -> builder.replicas(0)).hasMessageContaining("replicas");
        assertThatThrownBy(() -> builder.speeds(1, 0)).hasMessageContaining("speeds");
        assertThatThrownBy(() -> builder.kvBlocks(0)).hasMessageContaining("kvBlocks");
        assertThatThrownBy(() -> builder.rate(0)).hasMessageContaining("rate");
        assertThatThrownBy(() -> builder.warmUp(1)).hasMessageContaining("warmUp");
        assertThatThrownBy(() -> builder.build().runMean(RoutingPolicies::random, 0))
                .hasMessageContaining("seeds");
    }
}
