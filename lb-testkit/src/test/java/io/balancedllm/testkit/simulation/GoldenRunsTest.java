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
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/**
 * The product's policies against numbers of another simulator of the same engines, on real traffic. Where chance plays no
 * part all numbers agree; elsewhere means over ten seeds do, within what their spread allows.
 */
class GoldenRunsTest {
    private static final Path DATA = Path.of(System.getProperty("reference.data", "../shared"));
    private static final Path GOLDEN = DATA.resolve("golden/routing/golden10.csv");
    private static final int SEEDS = 10;
    private static final int TTFT_P99 = 2;
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

        SimulationResult of(Supplier<RoutingPolicy> policy, int seeds) throws IOException {
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

    @Test
    void roundRobinAgreesInEveryNumber() throws IOException {
        for (Run run : Run.values()) {
            double[] columns = columns(run.of(RoutingPolicies::roundRobin, 1));
            double[] golden = run.golden("rr", "mean");
            for (int i = 0; i < golden.length; i++) {
                assertThat(columns[i]).as("%s column %d", run, i).isCloseTo(golden[i], withinPercentage(0.01));
            }
        }
    }

    @Test
    void leastConnectionsAgreesInTheMean() throws IOException {
        agreesInTheMean("lc", RoutingPolicies::leastConnections);
    }

    @Test
    void leastPendingPromptTokensAgreesInTheMean() throws IOException {
        agreesInTheMean("lpt", LeastPendingPromptTokens::new);
    }

    private static void agreesInTheMean(String name, Supplier<RoutingPolicy> policy) throws IOException {
        for (Run run : Run.values()) {
            double[] columns = columns(run.of(policy, SEEDS));
            double[] golden = run.golden(name, "mean");
            double[] deviation = run.golden(name, "sd");
            for (int i : new int[] {TTFT_P99, E2E_MEAN, HIT_SHARE, HIT_SHARE_OF_INFINITE}) {
                // Two means over ten seeds each differ by 3 of their standard errors, or less, in 997 of 1,000 cases.
                double chance = 3 * deviation[i] * Math.sqrt(2.0 / SEEDS);
                double allowed = i == TTFT_P99 ? deviation[i] : chance;
                assertThat(columns[i])
                        .as("%s column %d", run, i)
                        .isCloseTo(golden[i], within(Math.max(allowed, 0.03 * golden[i])));
            }
        }
    }
}
