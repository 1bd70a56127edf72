/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.alone;
import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.health.Verdict;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the engine does with its steps, its memory and its queue; answers stay those of the model alone throughout. */
class EngineTest {
    private static final EngineOptions ROOMY = new EngineOptions(8, 64, 1024, 256);

    @Test
    void longPromptsNeverKeepThoseThatDecodeWaiting() {
        try (Stepped engine = new Stepped(ROOMY)) {
            int[] decoding = prompt(4, 1);
            int[] longOne = prompt(100, 2);
            RecordingSink running = engine.start(greedy(decoding, 60));
            engine.step(3);
            engine.kernel.steps.clear();
            RecordingSink arriving = engine.start(greedy(longOne, 10));
            while (arriving.chunks.isEmpty()) {
                engine.step(1);
            }
            // A step of one decode takes 11 ms; three times that leaves 22 tokens of the prompt.
            assertThat(engine.kernel.steps).hasSizeBetween(5, 7).allSatisfy(step -> {
                assertThat(step.get(0)).isEqualTo(1);
                assertThat(step.get(1)).isLessThanOrEqualTo(22);
            });
            engine.runAll();
            assertThat(running.completion().text()).isEqualTo(alone(decoding, 60));
            assertThat(arriving.completion().text()).isEqualTo(alone(longOne, 10));
        }
    }

    @Test
    void promptsAreFedWholeWhereNobodyDecodesOrNobodyMinds() {
        try (Stepped engine = new Stepped(ROOMY)) {
            engine.run(greedy(prompt(100, 1), 1));
            assertThat(engine.kernel.steps).containsExactly(List.of(100));
        }
        try (Stepped engine = new Stepped(new EngineOptions(8, 64, 1024, 256, Double.POSITIVE_INFINITY))) {
            engine.start(greedy(prompt(4, 1), 20));
            engine.step(3);
            engine.start(greedy(prompt(100, 2), 1));
            engine.step(1);
            assertThat(engine.kernel.steps).last().isEqualTo(List.of(1, 100));
        }
    }

    @Test
    void aLongStepOfPromptsAloneIsCutShortSoThatACancelIsSeenSoon() {
        try (Stepped engine = new Stepped(new EngineOptions(8, 64, 2048, 1024))) {
            for (int i = 0; i < 8; i++) {
                engine.start(greedy(prompt(120, i), 2));
            }
            engine.runAll();
            long longest = engine.kernel.steps.stream()
                    .skip(1)
                    .mapToLong(step -> step.stream().mapToInt(Integer::intValue).sum())
                    .max()
                    .orElseThrow();
            assertThat(longest).isLessThanOrEqualTo(490);
        }
    }

    @Test
    void whatAStepCostsIsLearnedAndReported() {
        try (Stepped engine = new Stepped(ROOMY)) {
            for (int i = 0; i < 8; i++) {
                engine.run(greedy(prompt(20 + 10 * i, i), 30));
            }
            StepCosts costs = engine.backend.engine().costs();
            assertThat(costs.secondsPerToken()).isCloseTo(0.001, within(0.0002));
            assertThat(costs.seconds(1)).isCloseTo(0.011, within(0.001));
            engine.start(greedy(prompt(100, 9), 30));
            engine.start(greedy(prompt(50, 10), 30));
            engine.step(1);
            EngineReport report = engine.backend.engine().report();
            assertThat(report.running()).hasValue(2);
            assertThat(report.waiting()).hasValue(0);
            assertThat(report.secondsPerPromptToken().orElseThrow()).isCloseTo(0.001, within(0.0002));
            assertThat(report.secondsPerStep().orElseThrow()).isCloseTo(0.012, within(0.001));
            assertThat(report.kernel().orElseThrow()).contains("Java");
            assertThat(report.kvUsage().orElseThrow()).isCloseTo((128 + 128) / 1024.0, within(1e-9));
        }
    }

    @Test
    void anInterruptedSequenceIsComputedAgainAndAnswersTheSame() {
        // Three times 100 tokens do not fit into 192.
        try (Stepped engine = new Stepped(new EngineOptions(8, 64, 192, 256))) {
            List<RecordingSink> sinks = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                sinks.add(engine.start(greedy(prompt(10, i), 90)));
            }
            engine.runAll();
            for (int i = 0; i < 3; i++) {
                Completion completion = sinks.get(i).completion();
                assertThat(completion.text()).isEqualTo(alone(prompt(10, i), 90));
                assertThat(completion.usage().orElseThrow().cachedTokens()).hasValue(0);
            }
            assertThat(engine.kernel.fed()).as("something was computed twice").isGreaterThan(3 * 99);
        }
    }

    @Test
    void onePromptThatTakesAllTheMemoryComesToItsEnd() {
        try (Stepped engine = new Stepped(new EngineOptions(8, 64, 128, 256))) {
            RecordingSink first = engine.start(greedy(prompt(60, 1), 68));
            RecordingSink second = engine.start(greedy(prompt(60, 2), 68));
            engine.runAll();
            assertThat(first.completion().text()).isEqualTo(alone(prompt(60, 1), 68));
            assertThat(second.completion().text()).isEqualTo(alone(prompt(60, 2), 68));
        }
    }

    @Test
    void theLeastUrgentGivesWay() {
        try (Stepped engine = new Stepped(new EngineOptions(8, 64, 192, 256))) {
            RecordingSink early = engine.start(greedy(prompt(10, 1), 100), -1, null);
            RecordingSink urgent = engine.start(greedy(prompt(10, 2), 100), 5, null);
            while (urgent.terminal.isEmpty()) {
                engine.step(1);
            }
            assertThat(early.terminal).isEmpty();
            engine.runAll();
            assertThat(urgent.completion().text()).isEqualTo(alone(prompt(10, 2), 100));
            assertThat(early.completion().text()).isEqualTo(alone(prompt(10, 1), 100));
        }
    }

    @Test
    void theUrgentBeginFirstAndEqualsInTheirOrder() {
        try (Stepped engine = new Stepped(new EngineOptions(1, 64, 1024, 256))) {
            RecordingSink running = engine.start(greedy(prompt(4, 1), 5));
            engine.step(1);
            RecordingSink low = engine.start(greedy(prompt(4, 2), 5), -1, null);
            RecordingSink first = engine.start(greedy(prompt(4, 3), 5));
            RecordingSink second = engine.start(greedy(prompt(4, 4), 5));
            RecordingSink high = engine.start(greedy(prompt(4, 5), 5), 1, null);
            List<RecordingSink> order = new ArrayList<>();
            while (order.size() < 5) {
                engine.step(1);
                for (RecordingSink sink : List.of(running, low, first, second, high)) {
                    if (!sink.terminal.isEmpty() && !order.contains(sink)) {
                        order.add(sink);
                    }
                }
            }
            assertThat(order).containsExactly(running, high, first, second, low);
        }
    }

    @Test
    void aMoreUrgentCallTakesThePlaceOfTheLatestOfTheLeastUrgent() {
        try (Stepped engine = new Stepped(new EngineOptions(1, 2, 1024, 256))) {
            RecordingSink running = engine.start(greedy(prompt(4, 1), 5), -5, null);
            engine.step(1);
            RecordingSink low = engine.start(greedy(prompt(4, 2), 5), -1, null);
            RecordingSink lowLater = engine.start(greedy(prompt(4, 3), 5), -1, null);
            RecordingSink equal = engine.start(greedy(prompt(4, 4), 5), -1, null);
            RecordingSink high = engine.start(greedy(prompt(4, 5), 5), 1, null);
            assertThat(equal.failure().reason()).isEqualTo(Reason.OVERLOADED);
            assertThat(lowLater.failure().reason()).isEqualTo(Reason.OVERLOADED);
            assertThat(lowLater.failure().retryAfter()).isPresent();
            engine.runAll();
            assertThat(running.terminal + low.terminal + high.terminal).isEqualTo("completedcompletedcompleted");
        }
    }

    @Test
    void whatIsTooLateEndsWaitingOrRunning() {
        try (Stepped engine = new Stepped(new EngineOptions(1, 8, 1024, 256))) {
            RecordingSink running = engine.start(greedy(prompt(4, 1), 100), 0, Duration.ofMillis(200));
            RecordingSink waiting = engine.start(greedy(prompt(4, 2), 5), 0, Duration.ofMillis(100));
            RecordingSink patient = engine.start(greedy(prompt(4, 3), 5));
            engine.runAll();
            assertThat(running.failure().reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
            assertThat(running.chunks).hasSizeBetween(10, 20);
            assertThat(waiting.failure().reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
            assertThat(waiting.accepted).isFalse();
            assertThat(patient.terminal).isEqualTo("completed");
        }
    }

    @Test
    void whatCannotBeginInTimeIsRefusedAtOnceSoThatAnotherMayTakeIt() {
        try (Stepped engine = new Stepped(new EngineOptions(1, 8, 1024, 256))) {
            for (int i = 0; i < 20; i++) {
                engine.run(greedy(prompt(4, i), 50));
            }
            // Each takes about 0.55 s.
            engine.start(greedy(prompt(4, 1), 50));
            engine.start(greedy(prompt(4, 2), 50));
            RecordingSink hopeless = engine.start(greedy(prompt(4, 3), 5), 0, Duration.ofMillis(500));
            RecordingSink urgent = engine.start(greedy(prompt(4, 4), 5), 1, Duration.ofMillis(900));
            RecordingSink hopeful = engine.start(greedy(prompt(4, 3), 5), 0, Duration.ofSeconds(5));
            assertThat(hopeless.failure().reason()).isEqualTo(Reason.DEADLINE_EXCEEDED);
            assertThat(hopeless.failure().retryable()).isTrue();
            assertThat(Verdict.of(hopeless.failure()).kind())
                    .as("calls that can wait still come here")
                    .isEqualTo(Verdict.Kind.NEUTRAL);
            engine.runAll();
            assertThat(urgent.terminal).isEqualTo("completed");
            assertThat(hopeful.terminal).isEqualTo("completed");
        }
    }

    @Test
    void choicesShareTheComputationOfTheirPrompt() {
        try (Stepped engine = new Stepped(ROOMY)) {
            CompletionRequest request =
                    greedy(prompt(50, 1), 6).newBuilder().n(3).build();
            Completion completion = engine.run(request);
            String expected = alone(prompt(50, 1), 6);
            assertThat(completion.choices())
                    .hasSize(3)
                    .allSatisfy(choice -> assertThat(choice.text()).isEqualTo(expected));
            assertThat(engine.kernel.fed()).isEqualTo(50 + 2 * (50 - 48) + 3 * 5);
            assertThat(completion.usage().orElseThrow().cachedTokens()).hasValue(0);
            assertThat(completion.usage().orElseThrow().completionTokens()).isEqualTo(18);
        }
    }

    @Test
    void cancellingWhileChoicesWaitForTheirPromptLeavesNothingBehind() {
        try (Stepped engine = new Stepped(new EngineOptions(4, 0, 1024, 16))) {
            RecordingSink sink = new RecordingSink();
            Generation generation =
                    engine.begin(greedy(prompt(100, 1), 6).newBuilder().n(4).build(), 0, null, sink);
            generation.request(Integer.MAX_VALUE);
            engine.step(2);
            generation.cancel();
            engine.runAll();
            assertThat(sink.terminal).isEqualTo("cancelled");
            assertThat(engine.backend.engine().report().requests()).hasValue(0);
            assertThat(engine.run(greedy(prompt(10, 1), 6).newBuilder().n(4).build())
                            .choices())
                    .hasSize(4);
        }
    }

    @Test
    void whoIsNotReadGivesUpItsPlaceAndGoesOnWhereItWas() {
        try (Stepped engine = new Stepped(new EngineOptions(1, 8, 1024, 256))) {
            RecordingSink slow = new RecordingSink();
            Generation generation = engine.begin(greedy(prompt(20, 1), 30), 0, null, slow);
            generation.request(4);
            engine.runAll();
            assertThat(slow.chunks).hasSize(4);
            RecordingSink other = engine.start(greedy(prompt(20, 2), 30));
            engine.runAll();
            assertThat(other.completion().text()).isEqualTo(alone(prompt(20, 2), 30));
            assertThat(slow.terminal).isEmpty();
            generation.request(Integer.MAX_VALUE);
            engine.runAll();
            assertThat(slow.completion().text()).isEqualTo(alone(prompt(20, 1), 30));
            assertThat(slow.completion().usage().orElseThrow().cachedTokens()).hasValue(0);
        }
    }

    @Test
    void aReaderThatIsLateForAMomentKeepsItsPlace() {
        try (Stepped engine = new Stepped(new EngineOptions(2, 8, 1024, 256))) {
            RecordingSink late = new RecordingSink();
            Generation generation = engine.begin(greedy(prompt(20, 1), 30), 0, null, late);
            engine.start(greedy(prompt(20, 2), 100));
            generation.request(2);
            engine.step(4);
            RecordingSink waiting = engine.start(greedy(prompt(20, 3), 10));
            engine.step(2);
            assertThat(waiting.accepted).isFalse();
            engine.step(Batch.UNREAD_STEPS);
            assertThat(waiting.accepted).isTrue();
        }
    }

    @Test
    void noMemoryFailsOneSequenceTypedAndLeavesTheOthers() {
        try (Stepped engine = new Stepped(ROOMY)) {
            RecordingSink running = engine.start(greedy(prompt(20, 1), 30));
            engine.step(2);
            engine.kernel.failingAllocations = 2;
            RecordingSink failing = engine.start(greedy(prompt(20, 2), 30));
            RecordingSink next = engine.start(greedy(prompt(20, 3), 30));
            engine.runAll();
            assertThat(failing.failure().reason()).isEqualTo(Reason.OVERLOADED);
            assertThat(failing.failure()).hasMessageContaining("64 tokens").hasMessageContaining("kvTokens");
            assertThat(running.completion().text()).isEqualTo(alone(prompt(20, 1), 30));
            assertThat(next.completion().text()).isEqualTo(alone(prompt(20, 3), 30));
        }
    }

    @Test
    void prefixesMakeRoomWhereMemoryIsShorterThanThought() {
        try (Stepped engine = new Stepped(new EngineOptions(8, 64, 256, 256))) { // no freed cache is spared
            engine.run(greedy(prompt(50, 1), 2));
            engine.kernel.failingAllocations = 1;
            assertThat(engine.cached(greedy(prompt(50, 1), 2))).isZero();
            assertThat(engine.cached(greedy(prompt(50, 1), 2))).isEqualTo(48);
        }
    }
}
