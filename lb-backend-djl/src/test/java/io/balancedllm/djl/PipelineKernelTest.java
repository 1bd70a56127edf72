/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.alone;
import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.endpoint.Attempt;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** A model whose layers lie in several kernels computes what the whole one does. */
class PipelineKernelTest {
    private static final EngineOptions ROOMY = new EngineOptions(8, 64, 1024, 256);

    @Test
    void answersAreThoseOfTheWholeModelBatchedInterruptedAndBehindPrefixes() {
        for (EngineOptions options : List.of(ROOMY, new EngineOptions(8, 64, 256, 32))) {
            try (Stepped engine = new Stepped(options, sharded(KernelChoice.PLAIN_JAVA))) {
                List<RecordingSink> sinks = new ArrayList<>();
                for (int i = 0; i < 10; i++) {
                    sinks.add(engine.start(greedy(prompt(10 + 20 * (i % 5), i % 5), 28)));
                }
                engine.runAll();
                for (int i = 0; i < 10; i++) {
                    assertThat(sinks.get(i).completion().text()).isEqualTo(alone(prompt(10 + 20 * (i % 5), i % 5), 28));
                }
                assertThat(engine.run(greedy(prompt(50, 2), 28)).text()).isEqualTo(alone(prompt(50, 2), 28));
                if (options.equals(ROOMY)) {
                    assertThat(engine.cached(greedy(prompt(50, 2), 28))).isEqualTo(48);
                }
            }
        }
    }

    @Test
    void logitsAndStatesAreThoseOfTheWholeModel() {
        for (KernelChoice choice : List.of(KernelChoice.PLAIN_JAVA, KernelChoice.SCRIPT)) {
            try (Gpt2Model whole = Golden.model(Stepped.MODEL, choice);
                    Gpt2Model parts = sharded(choice)) {
                for (Kernel.Wanted wanted : List.of(Kernel.Wanted.LOGITS, Kernel.Wanted.STATES)) {
                    float[][] expected = step(whole.kernel(), wanted);
                    float[][] found = step(parts.kernel(), wanted);
                    for (int i = 0; i < expected.length; i++) {
                        assertThat(found[i]).hasSameSizeAs(expected[i]);
                        for (int j = 0; j < expected[i].length; j++) {
                            assertThat(found[i][j]).isCloseTo(expected[i][j], within(1e-4f));
                        }
                    }
                }
                assertThat(parts.kernel().kvBytesPerToken())
                        .isEqualTo(whole.kernel().kvBytesPerToken());
                assertThat(parts.kernel().layers()).isEqualTo(whole.kernel().layers());
                assertThat(parts.kernel().device()).isEqualTo("cpu+cpu");
            }
        }
    }

    @Test
    void blocksHoldTheNumbersOfTheWholeModel() {
        try (Gpt2Model whole = Golden.model(Stepped.MODEL, KernelChoice.PLAIN_JAVA);
                Gpt2Model parts = sharded(KernelChoice.PLAIN_JAVA);
                Kernel.KvCache one = whole.kernel().allocate(64);
                Kernel.KvCache other = parts.kernel().allocate(64)) {
            for (Gpt2Model model : List.of(whole, parts)) {
                Kernel.KvCache cache = model == whole ? one : other;
                model.kernel().step(List.of(new Kernel.Slice(cache, prompt(40, 1), false)));
            }
            try (Kernel.KvBlock expected = one.save(16, 16);
                    Kernel.KvBlock found = other.save(16, 16)) {
                assertThat(found.tokens()).isEqualTo(16);
                assertThat(found.floats()).containsExactly(expected.floats());
            }
        }
    }

    @Test
    void aStageThatFailsLeavesAllCachesAsTheyWere() {
        List<Kernel> stages = stages(KernelChoice.PLAIN_JAVA);
        PoisonedKernel second = new PoisonedKernel(stages.get(1));
        try (PipelineKernel kernel = new PipelineKernel(List.of(stages.get(0), second));
                Kernel.KvCache cache = kernel.allocate(64)) {
            kernel.step(List.of(new Kernel.Slice(cache, new int[] {1, 2, 3}, false)));
            assertThatThrownBy(() ->
                            kernel.step(List.of(new Kernel.Slice(cache, new int[] {PoisonedKernel.THROWS, 5}, true))))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("poisoned");
            assertThat(cache.length()).isEqualTo(3);
            try (Kernel.KvBlock block = cache.save(0, 3)) {
                assertThat(block.tokens()).isEqualTo(3);
            }
            float[] after = kernel.step(List.of(new Kernel.Slice(cache, new int[] {4}, true)))[0];
            try (Gpt2Model whole = Golden.model(Stepped.MODEL, KernelChoice.PLAIN_JAVA)) {
                assertThat(after).containsExactly(whole.logits(new int[] {1, 2, 3, 4}));
            }
        }
    }

    @Test
    void itsThreadsEndWithTheBackend() {
        Gpt2Backend backend = Gpt2Backend.builder(Golden.path(Stepped.MODEL))
                .pipeline("cpu", "cpu")
                .build();
        assertThat(stageThreads()).isEmpty(); // they start with the first step
        assertThat(backend.embed(Attempt.of(EmbeddingRequest.of("the town")))
                        .toCompletableFuture()
                        .join()
                        .vectors())
                .hasSize(1);
        Set<Thread> running = stageThreads();
        assertThat(running).hasSize(2);
        backend.close();
        running.forEach(PipelineKernelTest::joined);
    }

    @Test
    void moreStagesThanLayersAreRefused() {
        assertThatThrownBy(() -> Gpt2Backend.builder(Golden.path(Stepped.MODEL))
                        .pipeline("cpu", "cpu", "cpu", "cpu", "cpu", "cpu", "cpu")
                        .build())
                .hasMessageContaining("stages");
        assertThatThrownBy(() -> Gpt2Backend.builder().pipeline("cpu")).hasMessageContaining("pipeline");
    }

    private static void joined(Thread thread) {
        try {
            thread.join(10_000);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        assertThat(thread.isAlive()).isFalse();
    }

    private static Set<Thread> stageThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("gpt2-stage"))
                .collect(Collectors.toSet());
    }

    private static float[][] step(Kernel kernel, Kernel.Wanted wanted) {
        List<Kernel.Slice> slices = new ArrayList<>();
        for (int length : new int[] {50, 1, 7, 20}) {
            slices.add(new Kernel.Slice(kernel.allocate(64), prompt(length, length), wanted, null));
        }
        float[][] result = kernel.step(slices);
        slices.forEach(slice -> slice.cache().close());
        return result;
    }

    private static Gpt2Model sharded(KernelChoice choice) {
        return Gpt2Model.load(
                ModelFiles.directory(Golden.path(Stepped.MODEL)),
                "sharded",
                KernelOptions.DEFAULT.choice(choice),
                List.of("cpu", "cpu"));
    }

    private static List<Kernel> stages(KernelChoice choice) {
        ModelFiles files = ModelFiles.directory(Golden.path(Stepped.MODEL));
        Gpt2Config config = Gpt2Config.read(files);
        Checkpoint checkpoint = Checkpoint.open(files, config);
        return LayerRange.split(config, 2).stream()
                .map(range -> Kernels.load(
                        config, checkpoint, KernelOptions.DEFAULT.choice(choice).layers(range)))
                .toList();
    }
}
