/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.alone;
import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.djl.CountedKernel.Books;
import io.balancedllm.djl.CountedKernel.Operation;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Memory that runs out in the middle of something harms one sequence at most, and whatever happens all is freed. */
class EngineFailureTest {
    /** Room for all of these tests, and so little that no freed cache is spared: what is open is in use. */
    private static final EngineOptions ROOMY = new EngineOptions(8, 64, 8 * KvMemory.ROOM_STEP - 1, 256);

    @Test
    void aSequenceThatCannotBeCopiedIntoMoreRoomFailsAlone() {
        try (Places places = new Places()) {
            RecordingSink growing = places.engine.start(greedy(prompt(10, 1), 110));
            RecordingSink other = places.engine.start(greedy(prompt(5, 2), 50));
            places.engine.step(2);
            places.own.fail(Operation.APPEND, 2, 1);
            places.engine.runAll();
            assertThat(growing.failure().reason()).isEqualTo(Reason.SERVER_ERROR);
            assertThat(other.completion().text()).isEqualTo(alone(prompt(5, 2), 50));
            places.assertNothingRuns();
        }
    }

    @Test
    void aPrefixThatCannotBeCopiedFailsTheSequenceThatWantedIt() {
        try (Places places = new Places()) {
            places.engine.run(greedy(prompt(80, 1), 1));
            RecordingSink other = places.engine.start(greedy(prompt(5, 2), 50));
            places.engine.step(2);
            places.own.fail(Operation.APPEND, 3, 1);
            RecordingSink failing = places.engine.start(greedy(prompt(80, 1), 5));
            places.engine.runAll();
            assertThat(failing.failure().reason()).isEqualTo(Reason.SERVER_ERROR);
            assertThat(other.completion().text()).isEqualTo(alone(prompt(5, 2), 50));
            assertThat(places.engine.run(greedy(prompt(80, 1), 5)).text()).isEqualTo(alone(prompt(80, 1), 5));
            places.assertNothingRuns();
        }
    }

    @Test
    void aPrefixThatCannotBeKeptIsNotAndItsSequenceGoesOn() {
        try (Places places = new Places()) {
            places.own.fail(Operation.SAVE, 2, 1);
            assertThat(places.engine.run(greedy(prompt(80, 1), 1)).text()).isEqualTo(alone(prompt(80, 1), 1));
            assertThat(places.engine.cached(greedy(prompt(80, 1), 1)))
                    .as("what was saved before")
                    .isGreaterThanOrEqualTo(32);
            places.assertNothingRuns();
        }
    }

    @Test
    void aStepThatRunsOutOfMemoryIsDoneAgainSequenceBySequence() {
        try (Places places = new Places()) {
            List<RecordingSink> sinks = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                sinks.add(places.engine.start(greedy(prompt(10, i), 20)));
            }
            places.engine.step(3);
            places.own.fail(Operation.STEP, 0, 1);
            places.engine.runAll();
            for (int i = 0; i < 3; i++) {
                assertThat(sinks.get(i).completion().text()).isEqualTo(alone(prompt(10, i), 20));
            }
            places.assertNothingRuns();
        }
    }

    @Test
    void aSequenceForWhichAloneThereIsNoMemoryFailsAlone() {
        try (Places places = new Places()) {
            RecordingSink other = places.engine.start(greedy(prompt(5, 2), 50));
            places.engine.step(2);
            places.own.leastTokens = 10; // its prompt is computed in pieces of more tokens than that
            places.own.fail(Operation.STEP, 0, 2);
            RecordingSink failing = places.engine.start(greedy(prompt(60, 1), 5));
            places.engine.runAll();
            assertThat(failing.failure().reason()).isEqualTo(Reason.SERVER_ERROR);
            assertThat(other.completion().text()).isEqualTo(alone(prompt(5, 2), 50));
            places.assertNothingRuns();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aPromptThatFailsElsewhereHalfWayIsComputedWhereItIsDecoded(boolean shared) {
        for (Operation operation : List.of(Operation.STEP, Operation.SAVE)) {
            try (Places places = new Places()) {
                places.splitOff(shared);
                RecordingSink running = places.decoding();
                places.other.fail(operation, 1, 1);
                RecordingSink arriving = places.send();
                assertThat(places.prefiller().step()).isTrue();
                assertThat(places.books.blocks).as("blocks of prefixes").isEqualTo(places.prefixBlocks());
                places.engine.runAll();
                assertThat(arriving.completion().text()).isEqualTo(alone(prompt(100, 2), 10));
                assertThat(running.completion().text()).isEqualTo(alone(prompt(4, 1), 100));
                places.assertNothingRuns();
            }
        }
    }

    @Test
    void whatCannotBeHandedOverIsComputedWhereItIsDecoded() {
        try (Places places = new Places()) {
            places.splitOff(false);
            RecordingSink running = places.decoding();
            RecordingSink arriving = places.send();
            places.prefiller().step();
            places.own.fail(Operation.APPEND, 3, 1);
            places.engine.runAll();
            assertThat(arriving.completion().text()).isEqualTo(alone(prompt(100, 2), 10));
            assertThat(running.completion().text()).isEqualTo(alone(prompt(4, 1), 100));
            places.assertNothingRuns();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void closingInTheMiddleOfAHandoverFreesAll(boolean shared) {
        List<Consumer<Places>> moments = List.of(
                places -> {},
                places -> {
                    places.other.duringStep = places.engine::close;
                    places.prefiller().step();
                },
                places -> places.prefiller().step(),
                places -> {
                    places.prefiller().step();
                    places.engine.step(1);
                });
        for (Consumer<Places> moment : moments) {
            Places places = new Places();
            places.splitOff(shared);
            RecordingSink running = places.decoding();
            RecordingSink arriving = places.send();
            moment.accept(places);
            places.close();
            assertThat(arriving.terminal).isEqualTo("failed");
            assertThat(running.terminal).isEqualTo("failed");
        }
    }

    @Test
    void nativeMemoryIsGivenBackWhateverFailed() {
        Gpt2Model model = Golden.model(Stepped.MODEL, KernelChoice.SCRIPT);
        Kernel kernel = model.kernel();
        int arrays = ((ScriptKernel) kernel).managedArrays();
        Gpt2Model kept = model.replica();
        Places places = new Places(model);
        places.splitOff(true);
        RecordingSink running = places.decoding();
        places.other.fail(Operation.SAVE, 3, 1);
        RecordingSink arriving = places.send();
        places.prefiller().step();
        places.own.fail(Operation.STEP, 5, 3);
        places.engine.runAll();
        places.own.fail(Operation.SAVE, 2, 1);
        RecordingSink last = places.engine.start(greedy(prompt(100, 5), 20));
        do {
            places.engine.runAll();
        } while (places.prefiller().step());
        assertThat(List.of(running.terminal, arriving.terminal, last.terminal)).doesNotContain("");
        places.close();
        assertThat(((ScriptKernel) kernel).managedArrays()).isEqualTo(arrays);
        kept.close();
    }

    /** An engine and, where one is split off, a prefiller over one pair of books. */
    private static final class Places implements AutoCloseable {
        final Books books = new Books();
        final CountedKernel own;
        final Stepped engine;
        final CountedKernel other;
        private Prefiller prefiller;

        Places() {
            this(Golden.model(Stepped.MODEL, KernelChoice.PLAIN_JAVA));
        }

        Places(Gpt2Model model) {
            own = new CountedKernel(model.kernel(), books);
            other = new CountedKernel(model.kernel().replica(), books);
            engine = new Stepped(ROOMY, model.withKernel(own));
            prefiller = new Prefiller(model.withKernel(other), true, 64, engine.now::get);
        }

        Prefiller prefiller() {
            return prefiller;
        }

        void splitOff(boolean shared) {
            prefiller = new Prefiller(engine.backend.model().withKernel(other), shared, 64, engine.now::get);
            engine.backend.engine().splitOff(prefiller);
        }

        /** Something decodes, and what a token of a prompt costs is known. */
        RecordingSink decoding() {
            engine.run(greedy(prompt(90, 77), 2));
            RecordingSink sink = engine.start(greedy(prompt(4, 1), 100));
            engine.step(3);
            return sink;
        }

        /** Sends a prompt to the prefiller. */
        RecordingSink send() {
            RecordingSink sink = engine.start(greedy(prompt(100, 2), 10));
            engine.step(1);
            assertThat(prefiller.backlog()).as("it was sent").isEqualTo(100);
            return sink;
        }

        int prefixBlocks() {
            return 90 / PrefixCache.BLOCK_TOKENS;
        }

        void assertNothingRuns() {
            assertThat(books.caches).isZero();
            assertThat(engine.backend.engine().report().kvUsage()).hasValue(0);
            assertThat(engine.backend.engine().report().requests()).hasValue(0);
        }

        @Override
        public void close() {
            engine.close();
            prefiller.shutDown();
            assertThat(books.caches).as("caches").isZero();
            assertThat(books.blocks).as("blocks").isZero();
        }
    }
}
