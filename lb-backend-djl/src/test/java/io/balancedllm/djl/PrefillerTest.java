/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.alone;
import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.Completion;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Prompts computed beside the engine that decodes them; both are stepped by hand, each on a clock of its own. */
class PrefillerTest {
    private final Stepped engine = new Stepped(new EngineOptions(8, 64, 1024, 256));
    private final AtomicLong otherClock = new AtomicLong();
    private TimedKernel otherKernel =
            new TimedKernel(engine.backend.model().kernel().replica(), otherClock);
    private final Prefiller prefiller = splitOff();

    private Prefiller splitOff() {
        Prefiller made = new Prefiller(engine.backend.model().withKernel(otherKernel), true, 256, otherClock::get);
        engine.backend.engine().splitOff(made);
        return made;
    }

    @AfterEach
    void close() {
        engine.close();
    }

    @Test
    void aPromptComputedElsewhereIsAnsweredTheSameAndHoldsUpNobody() {
        RecordingSink running = decoding();
        int[] longOne = prompt(100, 2);
        RecordingSink arriving = engine.start(greedy(longOne, 10));
        engine.kernel.steps.clear();
        engine.step(3);
        assertThat(engine.kernel.steps).as("only the one that decodes").containsOnly(List.of(1));
        assertThat(engine.backend.engine().report().running()).hasValue(2);
        assertThat(prefiller.step()).isTrue();
        assertThat(otherKernel.steps).containsExactly(List.of(99));
        engine.step(1);
        assertThat(engine.kernel.steps).last().isEqualTo(List.of(1, 1));
        engine.runAll();
        Completion completion = arriving.completion();
        assertThat(completion.text()).isEqualTo(alone(longOne, 10));
        assertThat(completion.usage().orElseThrow().cachedTokens()).hasValue(0);
        assertThat(running.completion().text()).isEqualTo(alone(prompt(4, 1), 100));
        assertThat(engine.cached(greedy(longOne, 10)))
                .as("what came from elsewhere is kept")
                .isEqualTo(96);
        assertThat(engine.backend.engine().report().kvUsage()).hasValue(0);
    }

    @Test
    void whereNothingDecodesOrLittleIsToComputeNothingIsSent() {
        learnBoth();
        otherKernel.steps.clear();
        engine.start(greedy(prompt(100, 3), 2));
        engine.runAll();
        assertThat(prefiller.step()).as("nothing decodes").isFalse();
        decoding();
        engine.start(greedy(prompt(20, 4), 2));
        engine.start(greedy(prompt(100, 3), 2));
        engine.runAll();
        assertThat(prefiller.step())
                .as("a short prompt, and one whose prefix is cached")
                .isFalse();
    }

    @Test
    void aQueueElsewhereIsACost() {
        learnBoth();
        decoding();
        for (int i = 0; i < 6; i++) {
            engine.start(greedy(prompt(100, 10 + i), 2));
        }
        engine.step(1);
        int sent = 0;
        while (prefiller.step()) {
            sent++;
        }
        assertThat(sent).isBetween(1, 4);
        engine.runAll();
    }

    @Test
    void oneThatFailsElsewhereIsComputedWhereItIsDecoded() {
        RecordingSink running = decoding();
        otherKernel.failingAllocations = 1;
        RecordingSink arriving = engine.start(greedy(prompt(100, 2), 10));
        engine.step(1);
        assertThat(prefiller.step()).isTrue();
        engine.runAll();
        assertThat(arriving.completion().text()).isEqualTo(alone(prompt(100, 2), 10));
        assertThat(running.terminal).isEqualTo("completed");
    }

    @Test
    void cancellingOneThatIsAwayEndsItAtOnceAndFreesItsRoomWhenItIsBack() {
        decoding();
        RecordingSink sink = new RecordingSink();
        Generation generation = engine.backend.start(Attempt.of(greedy(prompt(100, 2), 10)), sink);
        generation.request(Integer.MAX_VALUE);
        engine.step(1);
        generation.cancel();
        engine.step(1);
        assertThat(sink.terminal).isEqualTo("cancelled");
        prefiller.step();
        engine.runAll();
        assertThat(otherKernel.steps).as("nothing is computed for nobody").isEmpty();
        assertThat(engine.backend.engine().report().requests()).hasValue(0);
        assertThat(engine.backend.engine().report().kvUsage()).hasValue(0);
    }

    @Test
    void closingFailsWhatIsAway() {
        decoding();
        RecordingSink sink = engine.start(greedy(prompt(100, 2), 10));
        engine.step(1);
        engine.close();
        assertThat(sink.terminal).isEqualTo("failed");
    }

    @Test
    void onThreadsOfTheirOwnAllAnswersAreThoseOfTheModel() throws InterruptedException {
        try (Gpt2Backend backend = Gpt2Backend.builder(Golden.path(Stepped.MODEL))
                .modelName("tiny")
                .prefillOn("cpu")
                .kvTokens(700)
                .build()) {
            List<RecordingSink> sinks = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                RecordingSink sink = new RecordingSink();
                backend.start(Attempt.of(greedy(prompt(20 + i % 5 * 20, i % 7), 25)), sink)
                        .request(Integer.MAX_VALUE);
                sinks.add(sink);
            }
            for (int i = 0; i < 40; i++) {
                assertThat(sinks.get(i).await().completion().text())
                        .isEqualTo(alone(prompt(20 + i % 5 * 20, i % 7), 25));
            }
        }
    }

    /** Something decodes, and what a token of a prompt costs is known. */
    private RecordingSink decoding() {
        engine.run(greedy(prompt(90, 77), 2));
        RecordingSink sink = engine.start(greedy(prompt(4, 1), 100));
        engine.step(3);
        return sink;
    }

    private void learnBoth() {
        for (int i = 0; i < 8; i++) {
            engine.run(greedy(prompt(20 + 10 * i, i), 20));
        }
        decoding();
        engine.start(greedy(prompt(100, 2), 10));
        engine.step(1);
        prefiller.step();
        for (int i = 0; i < 4; i++) {
            decoding();
            engine.start(greedy(prompt(60 + 10 * i, 20 + i), 10));
            engine.step(1);
            prefiller.step();
        }
        do {
            engine.runAll();
        } while (prefiller.step());
    }
}
