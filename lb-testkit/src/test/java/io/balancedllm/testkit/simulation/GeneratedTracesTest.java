/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.routing.RoutingPolicies;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GeneratedTracesTest {
    private static final int REQUESTS = 2_000;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    private static double reusableShare(Trace trace) {
        double tokens = trace.requests().stream()
                .mapToInt(request -> request.prompt().tokens())
                .sum();
        return IntStream.range(0, trace.requests().size())
                        .map(trace::reusableTokens)
                        .sum()
                / tokens;
    }

    @ParameterizedTest
    @ValueSource(strings = {"tenants", "sharedPrefix", "uniquePrompts", "agentLoops"})
    void theSameArgumentsGiveTheSameTraceAndAnotherSeedAnother(String name) {
        List<TraceRequest> requests = GeneratedTraces.named(name, REQUESTS, 1).requests();
        assertThat(requests).hasSize(REQUESTS);
        assertThat(requests.get(0).arrivalSeconds()).isZero();
        assertThat(GeneratedTraces.named(name, REQUESTS, 1).requests()).isEqualTo(requests);
        assertThat(GeneratedTraces.named(name, REQUESTS, 2).requests()).isNotEqualTo(requests);
    }

    @Test
    void eachHasThePropertyItIsNamedAfter() {
        assertThat(reusableShare(GeneratedTraces.named("uniquePrompts", REQUESTS, 1)))
                .isZero();
        assertThat(reusableShare(GeneratedTraces.named("sharedPrefix", REQUESTS, 1)))
                .isBetween(0.6, 0.85);
        assertThat(reusableShare(GeneratedTraces.named("agentLoops", REQUESTS, 1)))
                .isGreaterThan(0.8);
        Trace tenants = GeneratedTraces.named("tenants", REQUESTS, 1);
        assertThat(reusableShare(tenants)).isBetween(0.5, 0.95);
        long first = tenants.requests().stream()
                .filter(request -> request.options().tenant().equals(Optional.of("tenant-0")))
                .count();
        // Zipf's law gives the first of 200 one in 5.9; conversations of four turns make it vary.
        assertThat((double) first / REQUESTS).isCloseTo(1 / 5.9, within(0.06));
    }

    @Test
    void anUnknownNameIsRefusedWithTheNamesThereAre() {
        assertThatThrownBy(() -> GeneratedTraces.named("x", 1, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("tenants, sharedPrefix, uniquePrompts, agentLoops");
        assertThatThrownBy(() -> GeneratedTraces.named("tenants", 0, 1)).hasMessageContaining("requests");
    }

    @ParameterizedTest
    @ValueSource(strings = {"trace.jsonl", "trace.jsonl.gz"})
    void whatIsWrittenIsReadBack(String name) throws IOException {
        Trace trace = GeneratedTraces.named("agentLoops", 300, 1);
        Path file = folder.resolve(name);
        trace.write(file);
        List<TraceRequest> read =
                Trace.read(file, Integer.MAX_VALUE, Trace.BrokenLines.STOP).requests();
        assertThat(read).hasSize(300);
        for (int i = 0; i < 300; i++) {
            TraceRequest written = trace.requests().get(i);
            assertThat(read.get(i).arrivalSeconds()).isCloseTo(written.arrivalSeconds(), within(1e-9));
            assertThat(read.get(i).prompt()).isEqualTo(written.prompt());
            assertThat(read.get(i).options()).isEqualTo(written.options());
            assertThat(read.get(i).thinkSeconds()).isEqualTo(written.thinkSeconds());
        }
    }

    @Test
    void sessionsAreDerivedFromWhatPromptsShare() {
        Trace trace = Trace.of(List.of(
                        new TraceRequest(0, new SimulatedPrompt(1_500, List.of(1L, 2L)), 1),
                        new TraceRequest(1, new SimulatedPrompt(1_500, List.of(1L, 9L)), 1),
                        new TraceRequest(2, new SimulatedPrompt(2_000, List.of(1L, 2L, 3L)), 1)))
                .withDerivedSessions();
        List<Optional<String>> sessions = trace.requests().stream()
                .map(request -> request.options().session())
                .toList();
        assertThat(sessions.get(0)).isPresent().isEqualTo(sessions.get(2));
        assertThat(sessions.get(1)).isPresent().isNotEqualTo(sessions.get(0));
    }

    @Test
    void usersWaitForTheirAnswers() {
        Trace trace = GeneratedTraces.named("agentLoops", 400, 1);
        Simulation one =
                Simulation.builder(trace).replicas(1).users(1).warmUp(0).build();
        SimulationRun run = new SimulationRun(one, fleet -> RoutingPolicies.roundRobin(), 1);
        SimulationResult alone = run.run();
        assertThat(alone.requests()).isEqualTo(400);
        assertThat(alone.inFlightImbalance())
                .as("an engine is idle whenever a call begins")
                .isEqualTo(1);
        SimulationResult many = one.toBuilder().users(20).build().run(RoutingPolicies::roundRobin, 1);
        assertThat(many.requests()).isEqualTo(400);
        assertThat(many.seconds()).isLessThan(alone.seconds() / 5);
        assertThat(many.duration().mean()).isGreaterThan(alone.duration().mean());
    }
}
