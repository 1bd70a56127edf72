/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The product's policies against numbers of another simulator of the same engines, on real traffic. Where chance plays no
 * part all numbers agree; elsewhere means over ten seeds do, within what their spread allows.
 */
class GoldenRunsTest {
    private static final Path DATA = Path.of(System.getProperty("reference.data", "../shared"));
    private static final Path GOLDEN = DATA.resolve("golden/routing/golden10.csv");
    private static final int SEEDS = 10;
    private static final String MD = "ect:lambda=auto kappa=0.05 kd=1";
    private static final int TTFT_P99 = 2;
    private static final int TTFT_MEAN = 3;
    private static final int E2E_MEAN = 6;
    private static final int HIT_SHARE = 7;
    private static final int HIT_SHARE_OF_INFINITE = 8;

    /** The runs: 4 replicas, timestamps as they are, nothing left out. */
    private enum Run {
        A("mooncake_conversation.jsonl.gz", 2_000, 3.0),
        B("synth_tenants_zipf.jsonl.gz", 4_000, 10.0);

        private final Path trace;
        private final int limit;
        private final double rate;

        Run(String trace, int limit, double rate) {
            this.trace = DATA.resolve("data/traces").resolve(trace);
            this.limit = limit;
            this.rate = rate;
        }

        SimulationResult of(Function<SimulatedFleet, RoutingPolicy> policy, int seeds) throws IOException {
            assumeTrue(Files.exists(trace), () -> "skipped: there is no " + trace.toAbsolutePath());
            return Simulation.builder(Trace.read(trace, limit, Trace.BrokenLines.STOP))
                    .replicas(4)
                    .kvBlocks(860)
                    .rate(rate)
                    .spread(false)
                    .warmUp(0)
                    .build()
                    .runMean(policy, seeds);
        }

        /** Columns: ttft_p50, ttft_p95, ttft_p99, ttft_mean, tpot_p50_ms, tpot_p99_ms, e2e_mean, hit_tok, hit_vs_inf. */
        double[] golden(String policy, String statistic) throws IOException {
            assumeTrue(Files.exists(GOLDEN), () -> "skipped: there is no " + GOLDEN.toAbsolutePath());
            String start = name() + "," + policy + "," + statistic + ",";
            List<String> rows = Files.readAllLines(GOLDEN).stream()
                    .filter(row -> row.startsWith(start))
                    .toList();
            assertThat(rows).as(start).hasSize(1);
            return Arrays.stream(rows.get(0).substring(start.length()).split(",", -1))
                    .mapToDouble(Double::parseDouble)
                    .toArray();
        }
    }

    private static final double TOLERANCE = 0.03;

    /**
     * A p99 of one trace at one rate is chance, and no seed changes it here: over eleven rates from 9.9 to 10.1 requests a second its
     * standard deviation was 0.056 of the mean, while the means of the rule before and behind the price of copies
     * differed by 0.006.
     */
    private static final double CHANCE_OF_P99 = 0.056;

    /** Of the rule with exact tokens, before copies had their price; it is not in the file. */
    private static final Map<Run, double[]> PREFIX_AFFINITY = Map.of(
            Run.A, new double[] {0.71656, 4.53653, 9.32392, 1.30959, 15.39513, 332.10191, 8.22806, 0.07062, 0.24026},
            Run.B, new double[] {0.15067, 0.79346, 1.59879, 0.26087, 12.35218, 57.49319, 2.84248, 0.53261, 0.78801});

    private static double[] columns(SimulationResult result) {
        return new double[] {
            result.timeToFirstToken().p50(),
            result.timeToFirstToken().p95(),
            result.timeToFirstToken().p99(),
            result.timeToFirstToken().mean(),
            result.timePerOutputToken().p50() * 1e3,
            result.timePerOutputToken().p99() * 1e3,
            result.duration().mean(),
            result.hitShare(),
            result.hitShareOfInfinite()
        };
    }

    /** Columns of policies without chance but for their first picks: equal to the digits that are printed. */
    private static void agreesInEveryNumber(Run run, String name, Function<SimulatedFleet, RoutingPolicy> policy)
            throws IOException {
        double[] columns = columns(run.of(policy, 1));
        double[] golden = run.golden(name, "mean");
        for (int i = 0; i < golden.length; i++) {
            assertThat(columns[i]).as("%s %s column %d", run, name, i).isCloseTo(golden[i], withinPercentage(0.02));
        }
    }

    @Test
    void roundRobinAgreesInEveryNumber() throws IOException {
        for (Run run : Run.values()) {
            agreesInEveryNumber(run, "rr", fleet -> RoutingPolicies.roundRobin());
        }
    }

    @Test
    void theAncestorOfPrefixAffinityAgreesInEveryNumber() throws IOException {
        agreesInEveryNumber(Run.B, MD, Rivals.named("md"));
    }

    @Test
    void prefixAffinityAgreesInTheMeanOfSomeSeeds() throws IOException {
        agreesInTheMean(Run.B, PREFIX_AFFINITY, RoutingPolicies::prefixAffinity, 2);
    }

    @Test
    @Tag("long")
    void prefixAffinityAgreesInTheMean() throws IOException {
        for (Run run : Run.values()) {
            agreesInTheMean(run, PREFIX_AFFINITY, RoutingPolicies::prefixAffinity, SEEDS);
        }
    }

    @Test
    @Tag("long")
    void leastConnectionsAgreesInTheMean() throws IOException {
        agreesInTheMean("lc", fleet -> RoutingPolicies.leastConnections());
    }

    @Test
    void leastConnectionsAgreesInTheMeanOfSomeSeeds() throws IOException {
        agreesInTheMean(
                Run.A,
                Run.A.golden("lc", "mean"),
                fleet -> RoutingPolicies.leastConnections(),
                4,
                Run.A.golden("lc", "sd"));
    }

    @Test
    @Tag("long")
    void leastPendingPromptTokensAgreesInTheMean() throws IOException {
        agreesInTheMean("lpt", fleet -> RoutingPolicies.leastPendingPromptTokens());
    }

    @ParameterizedTest
    @ValueSource(strings = {"sglang", "dynamo", "lmetric", MD})
    @Tag("long")
    void publishedRulesAgreeInTheMean(String name) throws IOException {
        agreesInTheMean(name, Rivals.named(name.equals(MD) ? "md" : name));
    }

    private static void agreesInTheMean(String name, Function<SimulatedFleet, RoutingPolicy> policy)
            throws IOException {
        for (Run run : Run.values()) {
            agreesInTheMean(run, run.golden(name, "mean"), policy, SEEDS, run.golden(name, "sd"));
        }
    }

    private static void agreesInTheMean(Run run, Map<Run, double[]> golden, Supplier<RoutingPolicy> policy, int seeds)
            throws IOException {
        double[] mean = golden.getOrDefault(run, new double[0]);
        double[] columns = columns(run.of(fleet -> policy.get(), seeds));
        assertThat(columns[TTFT_P99])
                .as("%s first token p99", run)
                .isCloseTo(mean[TTFT_P99], within(CHANCE_OF_P99 * mean[TTFT_P99]));
        for (int i : new int[] {TTFT_MEAN, E2E_MEAN}) {
            assertThat(columns[i]).as("%s column %d", run, i).isCloseTo(mean[i], within(TOLERANCE * mean[i]));
        }
        for (int i : new int[] {HIT_SHARE, HIT_SHARE_OF_INFINITE}) {
            // The price of copies has more reused.
            assertThat(columns[i]).as("%s column %d", run, i).isGreaterThan((1 - TOLERANCE) * mean[i]);
        }
    }

    private static void agreesInTheMean(
            Run run, double[] golden, Function<SimulatedFleet, RoutingPolicy> policy, int seeds, double[] deviation)
            throws IOException {
        double[] columns = columns(run.of(policy, seeds));
        for (int i : new int[] {TTFT_P99, E2E_MEAN, HIT_SHARE, HIT_SHARE_OF_INFINITE}) {
            // Two means over so many seeds differ by 3 of their standard errors, or less, in 997 of 1,000 cases.
            double chance = 3 * deviation[i] * Math.sqrt(1.0 / seeds + 1.0 / SEEDS);
            double allowed = i == TTFT_P99 && seeds == SEEDS ? deviation[i] : chance;
            assertThat(columns[i])
                    .as("%s column %d", run, i)
                    .isCloseTo(golden[i], within(Math.max(allowed, TOLERANCE * golden[i])));
        }
    }
}
