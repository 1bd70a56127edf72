/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What kernels do beside whole models: parts of them, KV that moves, copies for other threads. */
class KernelTest {
    private static final double LOGITS = 1e-4;
    /** Four layers, each with another scale of attention. */
    private static final String MODEL = "gpt2-tiny-c";

    private static final Gpt2Config CONFIG = Gpt2Config.read(ModelFiles.directory(Golden.path(MODEL)));
    private static final JsonNode PROMPT = Golden.prompt(Golden.numbers(MODEL), "33-multilingual");
    private static final int[] IDS = Golden.ints(PROMPT.path("ids"));

    static Stream<Arguments> pairs() {
        List<TestKernel> exact =
                List.of(TestKernel.ND_ARRAY, TestKernel.SCRIPT, TestKernel.ONE_DNN, TestKernel.PLAIN_JAVA);
        return exact.stream().flatMap(first -> exact.stream().map(second -> Arguments.of(first, second)));
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void stagesOfLayersGiveTheLogitsOfTheWholeModel(TestKernel first, TestKernel second) {
        List<LayerRange> ranges = LayerRange.split(CONFIG, 3);
        try (Kernel head = first.load(MODEL, ranges.get(0));
                Kernel middle = second.load(MODEL, ranges.get(1));
                Kernel tail = first.load(MODEL, ranges.get(2))) {
            List<Kernel> stages = List.of(head, middle, tail);
            List<Kernel.KvCache> caches = new ArrayList<>();
            stages.forEach(stage -> caches.add(stage.allocate(IDS.length)));
            float[] result = {};
            for (int from = 0; from < IDS.length; from += 10) {
                int[] chunk = Arrays.copyOfRange(IDS, from, Math.min(IDS.length, from + 10));
                float @Nullable [] states = null;
                for (int i = 0; i < stages.size(); i++) {
                    Kernel.Slice slice = new Kernel.Slice(caches.get(i), chunk, Kernel.Wanted.LOGITS, states);
                    result = stages.get(i).step(List.of(slice))[0];
                    states = result;
                }
            }
            assertClose(result);
            caches.forEach(Kernel.KvCache::close);
            assertThat(stages.stream().mapToLong(Kernel::kvBytesPerToken).sum())
                    .isEqualTo(2L * Float.BYTES * CONFIG.layers() * CONFIG.width());
        }
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void keysAndValuesMoveFromOneKernelToAnother(TestKernel from, TestKernel to) {
        try (Kernel first = from.load(MODEL, LayerRange.all(CONFIG));
                Kernel second = to.load(MODEL, LayerRange.all(CONFIG));
                Kernel.KvCache prefilled = first.allocate(IDS.length);
                Kernel.KvCache continued = second.allocate(IDS.length)) {
            first.step(List.of(new Kernel.Slice(prefilled, Arrays.copyOf(IDS, 30), false)));
            try (Kernel.KvBlock head = prefilled.save(0, 16);
                    Kernel.KvBlock tail = prefilled.save(16, 14)) {
                continued.append(head);
                continued.append(tail);
            }
            assertThat(continued.length()).isEqualTo(30);
            assertClose(second.step(List.of(new Kernel.Slice(continued, rest(30), true)))[0]);
        }
    }

    @ParameterizedTest
    @EnumSource(TestKernel.class)
    void finalStatesTimesTheEmbeddingAreTheLogits(TestKernel kernel) {
        try (Kernel loaded = kernel.load(MODEL, LayerRange.all(CONFIG));
                Kernel.KvCache one = loaded.allocate(IDS.length);
                Kernel.KvCache two = loaded.allocate(IDS.length)) {
            float[][] results = loaded.step(
                    List.of(new Kernel.Slice(one, IDS, Kernel.Wanted.STATES, null), new Kernel.Slice(two, IDS, true)));
            float[] states = results[0];
            assertThat(states).hasSize(IDS.length * CONFIG.width());
            float[][] embedding = Checkpoint.open(ModelFiles.directory(Golden.path(MODEL)), CONFIG)
                    .tensor("wte.weight")
                    .rows();
            for (int id = 0; id < embedding.length; id++) {
                double logit = 0;
                for (int i = 0; i < CONFIG.width(); i++) {
                    logit += states[states.length - CONFIG.width() + i] * embedding[id][i];
                }
                double tolerance = kernel == TestKernel.HALF_WEIGHTS ? 1e-2 : LOGITS;
                assertThat(logit).isCloseTo(results[1][id], within(tolerance));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TestKernel.class)
    void whatABatchHoldsDoesNotChangeTheLogitsOfADecode(TestKernel kernel) {
        try (Kernel loaded = kernel.load(MODEL, LayerRange.all(CONFIG))) {
            float[] alone = decode(loaded, 1);
            for (int size : new int[] {2, 5, 8}) {
                float[] together = decode(loaded, size);
                if (kernel == TestKernel.PLAIN_JAVA) {
                    assertThat(together).containsExactly(alone);
                } else {
                    assertThat(together).containsExactly(alone, within(1e-5f));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TestKernel.class)
    void aCacheCanForgetItsLastTokens(TestKernel kernel) {
        try (Kernel loaded = kernel.load(MODEL, LayerRange.all(CONFIG));
                Kernel.KvCache cache = loaded.allocate(IDS.length)) {
            loaded.step(List.of(new Kernel.Slice(cache, IDS, false)));
            cache.truncate(20);
            assertThat(cache.length()).isEqualTo(20);
            float[] logits = loaded.step(List.of(new Kernel.Slice(cache, rest(20), true)))[0];
            if (kernel != TestKernel.HALF_WEIGHTS) {
                assertClose(logits);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TestKernel.class)
    void replicasComputeAtTheSameTimeAndOutliveTheFirst(TestKernel kernel) {
        Kernel first = kernel.load(MODEL, LayerRange.all(CONFIG));
        float[] expected = decode(first, 3);
        List<Kernel> replicas = List.of(first.replica(), first.replica());
        first.close();
        first.close();
        List<CompletableFuture<Void>> runs = new ArrayList<>();
        for (Kernel replica : replicas) {
            runs.add(CompletableFuture.runAsync(() -> {
                for (int i = 0; i < 20; i++) {
                    assertThat(decode(replica, 3)).containsExactly(expected);
                }
                replica.close();
            }));
        }
        runs.forEach(CompletableFuture::join);
    }

    private static float[] decode(Kernel kernel, int size) {
        List<Kernel.KvCache> caches = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            Kernel.KvCache cache = kernel.allocate(IDS.length);
            kernel.step(List.of(new Kernel.Slice(cache, Arrays.copyOf(IDS, 20 - i), false)));
            caches.add(cache);
        }
        List<Kernel.Slice> slices = new ArrayList<>();
        caches.forEach(cache -> slices.add(new Kernel.Slice(cache, new int[] {7}, true)));
        float[][] logits = kernel.step(slices);
        caches.forEach(Kernel.KvCache::close);
        return logits[0];
    }

    private static int[] rest(int from) {
        return Arrays.copyOfRange(IDS, from, IDS.length);
    }

    private static void assertClose(float[] logits) {
        double[] values = new double[logits.length];
        Arrays.setAll(values, i -> logits[i]);
        assertThat(values).containsExactly(Golden.doubles(PROMPT.path("last_logits")), within(LOGITS));
    }
}
