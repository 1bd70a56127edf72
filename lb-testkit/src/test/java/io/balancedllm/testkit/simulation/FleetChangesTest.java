/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.routing.RoutingPolicies;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Engines that fail, drift, join and leave, and balancers that share them. */
class FleetChangesTest {
    private final Trace trace = SmallTraces.mixed(1_000, 0.1, 9);
    private final Simulation calm =
            Simulation.builder(trace).replicas(4).warmUp(0).build();
    private final VirtualTime time = new VirtualTime();
    private final SimulatedEngine engine = new SimulatedEngine(EngineModel.LLAMA_8B_ON_H100, 860, 1, time);
    private final SimulatedPrompt prompt = Answer.prompt(12_000, 0);

    private static SimulationRun run(Simulation simulation) {
        return new SimulationRun(simulation, fleet -> RoutingPolicies.leastConnections(), 1);
    }

    @Test
    void aCrashLosesWhatIsThereAndTheCache() {
        Answer before = Answer.of(engine, time, prompt, 1);
        time.run();
        Answer lost = Answer.of(engine, time, prompt, 100);
        time.advanceTo(time.nanos() + 20_000_000);
        engine.crash();
        assertThat(before.end).isEqualTo("completed");
        assertThat(lost.end).isEqualTo("failed: UNAVAILABLE");
        assertThat(Answer.of(engine, time, prompt, 1).end).isEqualTo("failed: UNAVAILABLE");
        assertThat(engine.requests()).isZero();
        engine.restart();
        Answer after = Answer.of(engine, time, prompt, 1);
        time.run();
        assertThat(after.end).isEqualTo("completed");
        assertThat(after.cachedTokens()).isZero();
        engine.verify();
    }

    @Test
    void whatIsFrozenGoesOnAfterwards() {
        Answer frozen = Answer.of(engine, time, prompt, 10);
        engine.freeze();
        Answer taken = Answer.of(engine, time, prompt, 10);
        time.advanceTo(100_000_000_000L);
        assertThat(frozen.chunks + taken.chunks).isZero();
        assertThat(frozen.end + taken.end).isEmpty();
        engine.restart();
        time.run();
        assertThat(List.of(frozen.end, taken.end)).containsOnly("completed");
        assertThat(frozen.firstTokenAfter).isGreaterThanOrEqualTo(100);
    }

    @Test
    void anEngineThatRefusesFinishesWhatItHas() {
        Answer had = Answer.of(engine, time, prompt, 10);
        engine.refuse();
        assertThat(Answer.of(engine, time, prompt, 10).end).isEqualTo("failed: UNAVAILABLE");
        time.run();
        assertThat(had.end).isEqualTo("completed");
        assertThat(engine.starts()).isEqualTo(2);
    }

    @Test
    void probesTellTheTruthAndAFrozenEngineTellsNothing() {
        assertThat(engine.probe(Duration.ofSeconds(2)).toCompletableFuture()).isCompletedWithValue(ProbeResult.READY);
        engine.crash();
        assertThat(engine.probe(Duration.ofSeconds(2)).toCompletableFuture())
                .isCompletedWithValueMatching(result -> result.status() == ProbeResult.Status.UNHEALTHY);
        engine.restart();
        engine.freeze();
        var silence = engine.probe(Duration.ofSeconds(2)).toCompletableFuture();
        assertThat(silence).isNotDone();
        time.run();
        assertThat(silence).isCompletedWithValueMatching(result -> result.status() == ProbeResult.Status.UNHEALTHY);
    }

    @Test
    void anEngineReportsItsLoad() {
        for (int i = 0; i < 3; i++) {
            Answer unused = Answer.of(engine, time, Answer.prompt(12_000, 1_000L * i), 500);
        }
        EngineReport report = engine.report();
        assertThat(report.running()).hasValue(1);
        assertThat(report.waiting()).hasValue(2);
        assertThat(report.waitingPromptTokens()).hasValue(24_000);
        assertThat(report.kvBlocks()).hasValue(860);
        assertThat(report.kvUsage().orElseThrow()).isBetween(0.02, 0.05);
    }

    @Test
    void callsOfACrashedEngineAreServedElsewhere() {
        SimulationRun run = run(calm.toBuilder()
                .outage(new Outage(Outage.Kind.CRASHES, 2, 30, 60))
                .build());
        SimulationResult result = run.run();
        assertThat(result.requests()).isEqualTo(1_000);
        assertThat(run.statistics().attempts()).isGreaterThan(1_000);
    }

    @Test
    void aJoiningEngineTakesItsShareAndALeavingOneGetsNoMore() {
        SimulationRun run = run(calm.toBuilder().join(30, 1).leave(50, 0).build());
        SimulationResult result = run.run();
        assertThat(result.failed()).isZero();
        List<SimulatedEngine> engines = run.engines();
        assertThat(engines).hasSize(5);
        assertThat(engines.get(4).starts()).isBetween(100, 250);
        assertThat(engines.get(0).starts()).isLessThan(engines.get(1).starts() - 50);
    }

    @Test
    void anEngineThatSlowsDownIsSentLess() {
        SimulationRun run = run(
                calm.toBuilder().drift(1, seconds -> seconds < 50 ? 1 : 0.25).build());
        SimulationResult unused = run.run();
        List<SimulatedEngine> engines = run.engines();
        assertThat(engines.get(1).starts()).isLessThan(9 * engines.get(0).starts() / 10);
    }

    @Test
    void anotherCostLawIsAnotherTime() {
        // Half the linear cost of the roofline, two thirds of its quadratic one.
        CostLaw law = CostLaw.sum(0.0165, 1.518344e-5, 2 * 4.209989e-10, 1e-4, 4e-8);
        EngineModel fitted = new EngineModel(law, 8_192, 256);
        assertThat(fitted.prefillSeconds(8_000, 0)).isBetween(0.160, 0.170);
        double fast = calm.toBuilder()
                .engine(fitted)
                .build()
                .run(RoutingPolicies::leastConnections, 1)
                .timeToFirstToken()
                .mean();
        assertThat(fast)
                .isLessThan(calm.run(RoutingPolicies::leastConnections, 1)
                        .timeToFirstToken()
                        .mean());
    }

    @Test
    void severalBalancersSeeLessThanOne() {
        Simulation shared = calm.toBuilder().clients(8, false).build();
        double one = calm.runMean(RoutingPolicies::leastConnections, 3).inFlightImbalance();
        double eight = shared.runMean(RoutingPolicies::leastConnections, 3).inFlightImbalance();
        assertThat(eight).isGreaterThan(1.1 * one);
        assertThat(shared.run(RoutingPolicies::leastConnections, 1).requests()).isEqualTo(1_000);
    }

    @Test
    void aSessionKeepsItsBalancerWhenItIsSticky() {
        Trace tenants = GeneratedTraces.named("tenants", 1_500, 1);
        Simulation.Builder shared = Simulation.builder(tenants).replicas(4).rate(8);
        double sticky =
                shared.clients(8, true).build().run(Rivals.named("lmetric"), 1).hitShare();
        double any =
                shared.clients(8, false).build().run(Rivals.named("lmetric"), 1).hitShare();
        assertThat(sticky).isGreaterThan(1.1 * any);
    }

    @Test
    void goodputLiesWhereTheShareOfGoodRequestsBreaksDown() {
        double load1 = calm.saturationRate();
        double good = calm.goodput(fleet -> RoutingPolicies.leastConnections(), Slo.FIRST_TOKEN, load1, 1);
        assertThat(good).isBetween(0.1 * load1, 2 * load1);
        SimulationResult below = calm.toBuilder().rate(0.7 * good).build().run(RoutingPolicies::leastConnections, 1);
        SimulationResult above = calm.toBuilder().rate(1.5 * good).build().run(RoutingPolicies::leastConnections, 1);
        assertThat(below.sloShare()).isGreaterThanOrEqualTo(0.99);
        assertThat(above.sloShare()).isLessThan(0.99);
        assertThat(above.jointSloShare()).isLessThanOrEqualTo(above.sloShare());
    }

    @Test
    void impossibleFleetsAreRefused() {
        Simulation.Builder builder = Simulation.builder(trace).replicas(2);
        assertThatThrownBy(() -> builder.drift(2, seconds -> 1)).hasMessageContaining("engine 2");
        assertThatThrownBy(() -> builder.leave(-1, 0)).hasMessageContaining("leave");
        assertThatThrownBy(() -> builder.join(1, 0)).hasMessageContaining("join");
        assertThatThrownBy(() -> builder.users(-1)).hasMessageContaining("users");
        assertThatThrownBy(() -> builder.clients(0, false)).hasMessageContaining("clients");
        assertThatThrownBy(() -> builder.tokenEstimate(0, 0)).hasMessageContaining("tokenEstimate");
        assertThatThrownBy(() -> new Outage(Outage.Kind.FREEZES, 0, 5, 5)).hasMessageContaining("outage");
        assertThatThrownBy(() -> new Slo(2, 1, 0)).hasMessageContaining("SLO");
    }
}
