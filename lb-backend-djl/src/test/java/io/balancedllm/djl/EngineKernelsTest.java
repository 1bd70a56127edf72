/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever the engine does with a sequence, its answer is what the same kernel gives when it computes nothing else. */
class EngineKernelsTest {
    private static final int PROMPTS = 6;
    private static final int ANSWER = 60;
    private static final EngineOptions ROOMY = new EngineOptions(8, 64, 1024, 256);
    private static final EngineOptions SHORT = new EngineOptions(8, 64, 256, 32);

    @ParameterizedTest
    @EnumSource(names = {"PLAIN_JAVA", "SCRIPT", "ONE_DNN"})
    void batchedInterruptedAndBehindPrefixesAnswersAreThoseOfOneAlone(KernelChoice choice) {
        List<String> expected = alone(choice);
        for (EngineOptions options : List.of(ROOMY, SHORT)) {
            try (Stepped engine = new Stepped(options, Golden.model(Stepped.MODEL, choice))) {
                assertThat(answers(engine)).isEqualTo(expected);
                assertThat(answers(engine)).as("behind prefixes").isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"PLAIN_JAVA", "SCRIPT", "ONE_DNN"})
    void withPromptsComputedElsewhereAnswersAreThoseOfOneAlone(KernelChoice choice) {
        List<String> expected = alone(choice);
        assertThat(answersBeside(choice, false)).as("copied").isEqualTo(expected);
        assertThat(answersBeside(choice, true)).as("in the same cache").isEqualTo(expected);
    }

    private static List<String> answersBeside(KernelChoice choice, boolean shared) {
        Gpt2Model own = Golden.model(Stepped.MODEL, choice);
        try (Stepped engine = new Stepped(ROOMY, own)) {
            Gpt2Model other = shared ? own.replica() : Golden.model(Stepped.MODEL, choice);
            TimedKernel kernel = new TimedKernel(other.kernel(), engine.now);
            Prefiller prefiller = new Prefiller(other.withKernel(kernel), shared, 64, engine.now::get);
            engine.backend.engine().splitOff(prefiller);
            engine.run(greedy(prompt(90, 98), 2));
            engine.start(greedy(prompt(4, 99), 100));
            engine.step(2);
            List<RecordingSink> sinks = start(engine);
            do {
                engine.runAll();
            } while (prefiller.step());
            assertThat(kernel.steps).as("something was computed elsewhere").isNotEmpty();
            List<String> texts =
                    sinks.stream().map(sink -> sink.completion().text()).toList();
            prefiller.shutDown();
            return texts;
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"PLAIN_JAVA", "SCRIPT", "ONE_DNN"})
    void inStagesAnswersAreThoseOfOneAlone(KernelChoice choice) {
        List<String> expected = alone(choice);
        Gpt2Model stages = Gpt2Model.load(
                ModelFiles.directory(Golden.path(Stepped.MODEL)),
                "stages",
                KernelOptions.DEFAULT.choice(choice),
                List.of("cpu", "cpu"));
        try (Stepped engine = new Stepped(SHORT, stages)) {
            assertThat(answers(engine)).isEqualTo(expected);
            assertThat(answers(engine)).as("behind prefixes").isEqualTo(expected);
        }
    }

    private static List<String> alone(KernelChoice choice) {
        List<String> texts = new ArrayList<>();
        try (Gpt2Model model = Golden.model(Stepped.MODEL, choice)) {
            for (int i = 0; i < PROMPTS; i++) {
                texts.add(model.tokenizer().decode(model.greedy(prompt(10 + 11 * i, i), ANSWER), true));
            }
        }
        return texts;
    }

    private static List<String> answers(Stepped engine) {
        List<RecordingSink> sinks = start(engine);
        engine.runAll();
        return sinks.stream().map(sink -> sink.completion().text()).toList();
    }

    private static List<RecordingSink> start(Stepped engine) {
        List<RecordingSink> sinks = new ArrayList<>();
        for (int i = 0; i < PROMPTS; i++) {
            sinks.add(engine.start(greedy(prompt(10 + 11 * i, i), ANSWER)));
        }
        return sinks;
    }
}
