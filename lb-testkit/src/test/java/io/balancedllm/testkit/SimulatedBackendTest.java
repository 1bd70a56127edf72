/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.LlmBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SimulatedBackendTest extends LlmBackendContract {
    private static final Duration PREFILL = Duration.ofMillis(1);
    private static final Duration DECODE = Duration.ofMillis(10);
    private static final String PROMPT = "x".repeat(4 * 100); // 100 tokens

    private final ManualScheduler timers = new ManualScheduler();

    @Override
    protected LlmBackend createBackend() {
        return SimulatedBackend.builder().decode(Duration.ofMillis(1)).build();
    }

    private static boolean hasEnded(RecordingSink sink) {
        return sink.terminal().isPresent();
    }

    private SimulatedBackend engine(SimulatedBackend.Builder builder) {
        return builder.prefill(PREFILL)
                .decode(DECODE)
                .scheduler(timers)
                .ticker(timers.ticker())
                .build();
    }

    private static CompletionRequest ask(String prompt, int tokens) {
        return CompletionRequest.builder().prompt(prompt).maxTokens(tokens).build();
    }

    private EngineReport load(SimulatedBackend engine) {
        return engine.report(Duration.ZERO).toCompletableFuture().join().orElseThrow();
    }

    @Test
    void itCountsAndTakesTheTimeOfPrefillAndDecode() {
        SimulatedBackend engine = engine(SimulatedBackend.builder());
        RecordingSink sink = RecordingSink.start(engine, ask(PROMPT, 5));
        sink.requestAll();
        timers.advance(PREFILL.multipliedBy(100));
        assertThat(sink.chunks()).isEmpty();
        timers.advance(DECODE.multipliedBy(4));
        assertThat(sink.text()).isEqualTo(" 1 2 3 4");
        assertThat(hasEnded(sink)).isFalse();
        timers.advance(DECODE);
        assertThat(sink.text()).isEqualTo(" 1 2 3 4 5");
        assertThat(hasEnded(sink)).isTrue();
        assertThat(timers.pending()).isEmpty();
    }

    @Test
    void sequencesShareAStepAndTheRestWaits() {
        SimulatedBackend engine = engine(SimulatedBackend.builder().maxSequences(2));
        List<RecordingSink> sinks = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            RecordingSink sink = RecordingSink.start(engine, ask("x", 10));
            sink.requestAll();
            sinks.add(sink);
        }
        timers.advance(PREFILL.multipliedBy(2).plus(DECODE));
        EngineReport report = load(engine);
        assertThat(report.running()).hasValue(2);
        assertThat(report.waiting()).hasValue(1);
        assertThat(report.maxSequences()).hasValue(2);
        assertThat(report.kvUsage().orElseThrow()).isPositive();
        timers.advance(DECODE.multipliedBy(9));
        assertThat(sinks).extracting(SimulatedBackendTest::hasEnded).containsExactly(true, true, false);
        timers.advance(Duration.ofSeconds(1));
        assertThat(hasEnded(sinks.get(2))).isTrue();
        assertThat(load(engine).requests()).hasValue(0);
    }

    @Test
    void aSecondTurnFindsTheBlocksOfTheFirst() {
        SimulatedBackend engine = engine(SimulatedBackend.builder());
        RecordingSink first = RecordingSink.start(engine, ask(PROMPT, 1));
        first.requestAll();
        timers.advance(Duration.ofSeconds(1));
        RecordingSink second = RecordingSink.start(engine, ask(PROMPT + "y".repeat(40), 1));
        second.requestAll();
        long before = timers.ticker().nanos();
        while (!hasEnded(second) && timers.advanceToNext()) {}
        assertThat(Duration.ofNanos(timers.ticker().nanos() - before))
                .as("96 of 110 tokens were there")
                .isEqualTo(PREFILL.multipliedBy(14).plus(DECODE));
    }

    @Test
    void memoryIsBoundedAndWhatNeverFitsIsRefused() {
        SimulatedBackend engine = engine(SimulatedBackend.builder().kvBlocks(10));
        RecordingSink tooLong = RecordingSink.start(engine, ask("x".repeat(4 * 16 * 10), 1));
        assertThat(tooLong.failure().orElseThrow().reason()).isEqualTo(Reason.CONTEXT_LENGTH_EXCEEDED);
        for (int i = 0; i < 50; i++) {
            RecordingSink sink = RecordingSink.start(engine, ask(("" + i).repeat(200), 3));
            sink.requestAll();
            timers.advance(Duration.ofSeconds(2));
            assertThat(sink.text()).isEqualTo(" 1 2 3");
        }
        assertThat(load(engine).kvUsage()).as("nobody holds anything").hasValue(0);
    }

    @Test
    void aReaderThatAsksForNothingGetsNothingAndACancelFreesItsPlace() {
        SimulatedBackend engine = engine(SimulatedBackend.builder().maxSequences(1));
        RecordingSink idle = RecordingSink.start(engine, ask("x", 10));
        RecordingSink next = RecordingSink.start(engine, ask("y", 1));
        next.requestAll();
        timers.advance(Duration.ofSeconds(1));
        assertThat(idle.chunks()).isEmpty();
        assertThat(hasEnded(next)).isFalse();
        idle.cancel();
        timers.advance(Duration.ofSeconds(1));
        assertThat(hasEnded(idle)).isTrue();
        assertThat(hasEnded(next)).isTrue();
    }

    @Test
    void itRunsInRealTimeOnAThreadOfItsOwnAndMayBurnIt() {
        try (SimulatedBackend engine = SimulatedBackend.builder()
                .decode(Duration.ofMillis(1))
                .burnCpu(true)
                .build()) {
            RecordingSink sink = RecordingSink.start(engine, ask("x", 20));
            sink.requestAll();
            sink.awaitEnd(patience());
            assertThat(sink.text()).endsWith(" 19 20");
        }
    }
}
