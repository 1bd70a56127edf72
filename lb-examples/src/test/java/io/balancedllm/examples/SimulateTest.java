/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.routing.RoutingPolicies;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SimulateTest {
    private static final String COLUMNS =
            "policy,ttft_p50,ttft_p95,ttft_p99,ttft_mean,tpot_p50_ms,tpot_p99_ms,e2e_mean,hit_tok,hit_vs_inf";

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    @SuppressWarnings("NullAway.Init")
    private Path trace;

    @BeforeEach
    void writeTrace() throws IOException {
        trace = folder.resolve("trace.jsonl");
        Files.write(
                trace,
                IntStream.range(0, 50)
                        .mapToObj(i -> String.format(
                                Locale.ROOT,
                                "{\"timestamp\": %d, \"input_length\": %d, \"output_length\": %d, \"hash_ids\": [%d, %d]}",
                                i / 5 * 500,
                                1_024 + i * 37 % 400,
                                10 + i,
                                i % 3,
                                10 + i % 6))
                        .toList());
    }

    private CommandLineFixture simulate(String... options) {
        String[] all = Stream.concat(Stream.of("simulate", "--trace", trace.toString()), Arrays.stream(options))
                .toArray(String[]::new);
        return CommandLineFixture.run(all);
    }

    @Test
    void csvHasARowForEachPolicyInTheOrderAskedFor() {
        CommandLineFixture result =
                simulate("--policy", "roundRobin,leastPendingPromptTokens", "--replicas", "2", "--csv");

        assertThat(result.code()).isZero();
        assertThat(result.out().lines().map(line -> line.split(",", -1)[0]))
                .containsExactly("policy", "roundRobin", "leastPendingPromptTokens");
        assertThat(result.out().lines().findFirst()).contains(COLUMNS);
        assertThat(result.out().lines()).allMatch(line -> line.split(",", -1).length == 10);
        assertThat(result.err()).contains("roundRobin: 45 requests measured");
    }

    @Test
    void withoutPoliciesAllAreComparedInATable() {
        CommandLineFixture result = simulate("--replicas", "2", "--seeds", "2", "--rate", "20");

        assertThat(result.code()).isZero();
        assertThat(result.out()).contains(RoutingPolicies.names()).contains("leastPendingPromptTokens");
        assertThat(result.out()).startsWith("policy");
        assertThat(result.out().lines())
                .hasSizeGreaterThanOrEqualTo(RoutingPolicies.names().size() + 1);
    }

    @Test
    void theSameSeedPrintsTheSame() {
        String[] options = {"--policy", "random", "--replicas", "3", "--json", "--seed", "7"};

        CommandLineFixture result = simulate(options);

        assertThat(result.out())
                .startsWith("{\"policy\":\"random\",\"ttft_p50\":")
                .hasLineCount(1);
        assertThat(simulate(options).out()).isEqualTo(result.out());
    }

    @Test
    void aBrokenLineEndsTheRunUnlessItIsSkipped() throws IOException {
        Files.writeString(trace, Files.readString(trace) + "broken\n");

        CommandLineFixture stopped = simulate("--policy", "random");
        assertThat(stopped.code()).isEqualTo(1);
        assertThat(stopped.err()).contains("line 51: it is no JSON").contains("--skip-broken");
        assertThat(stopped.err()).hasLineCount(1);

        CommandLineFixture skipped = simulate("--policy", "random", "--skip-broken");
        assertThat(skipped.code()).isZero();
        assertThat(skipped.err()).contains("line 51: ").contains("skipped 1 lines");
    }

    @Test
    void enginesTooSmallForAnyRequestAreOneLineAndCodeOne() {
        CommandLineFixture result = simulate("--policy", "random", "--blocks", "1");

        assertThat(result.code()).isEqualTo(1);
        assertThat(result.err()).contains("no request was served").contains("KV memory");
        assertThat(result.err()).hasLineCount(1);
    }
}
