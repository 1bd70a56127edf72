/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NativeMemoryTest {
    private static final int WARM_UP = 500;
    private static final int SAMPLES = 10;
    private static final int ALLOWED_KILOBYTES = 16_384;
    private static final Path SMAPS = Path.of("/proc/self/smaps_rollup");

    @ParameterizedTest
    @EnumSource(names = {"SCRIPT", "ONE_DNN", "HALF_WEIGHTS"})
    void nativeMemoryIsFlatOverAThousandSteps(KernelChoice kernel) throws IOException {
        assertFlat(kernel, 1_000);
    }

    @Test
    @Tag("long")
    void nativeMemoryIsFlatOverTenThousandSteps() throws IOException {
        assertFlat(KernelChoice.ONE_DNN, 10_000);
    }

    @Test
    void closingAKernelFreesItsWeights() throws IOException {
        assumeTrue(Files.isReadable(SMAPS), "skipped: " + SMAPS + " is only on Linux");
        Gpt2Config config =
                new Gpt2Config(20_000, 64, 512, 2, 8, 2_048, 1e-5f, Activation.GELU_TANH, true, false, true, Set.of());
        Checkpoint drawn = Checkpoint.drawn(config, 1, Checkpoint.INITIAL_DEVIATION);
        long weights = Float.BYTES * config.parameters() / 1024;
        for (KernelChoice choice : List.of(KernelChoice.SCRIPT, KernelChoice.ONE_DNN, KernelChoice.HALF_WEIGHTS)) {
            load(config, drawn, choice);
            long before = nativeKilobytes();
            for (int i = 0; i < 4; i++) {
                load(config, drawn, choice);
            }
            assertThat(nativeKilobytes() - before).as("kB kept by %s", choice).isLessThan(weights);
        }
    }

    private static void load(Gpt2Config config, Checkpoint drawn, KernelChoice choice) {
        try (Kernel kernel = Kernels.load(config, drawn, KernelOptions.DEFAULT.choice(choice));
                Kernel.KvCache cache = kernel.allocate(8)) {
            kernel.step(List.of(new Kernel.Slice(cache, new int[] {1, 2}, true)));
        }
    }

    /**
     * A leaked array, however small, shows in the count of arrays that are managed, which must not change at all. What no
     * manager knows shows in the memory of the process: leaked logits or activations of 6 kB a step would add 60 MB in
     * 10,000 steps. The bound leaves room for the compiler, which takes a few MB in lumps when it feels like it; the level
     * at the beginning and at the end is the median of three samples each. The module's tests run on a heap of fixed size,
     * touched as a whole at the start, so what changes is not the heap's.
     */
    private static void assertFlat(KernelChoice kernel, int steps) throws IOException {
        assumeTrue(Files.isReadable(SMAPS), "skipped: " + SMAPS + " is only on Linux");
        try (Gpt2Model model = Golden.model("gpt2-tiny-a", kernel)) {
            run(model.kernel(), WARM_UP);
            int arraysBefore = ((ScriptKernel) model.kernel()).managedArrays();
            long[] kilobytes = new long[SAMPLES];
            for (int i = 0; i < SAMPLES; i++) {
                run(model.kernel(), steps / SAMPLES);
                kilobytes[i] = nativeKilobytes();
            }
            assertThat(((ScriptKernel) model.kernel()).managedArrays()).isEqualTo(arraysBefore);
            assertThat(median(kilobytes, SAMPLES - 3) - median(kilobytes, 0))
                    .as("kB at each tenth of the run: %s", Arrays.toString(kilobytes))
                    .isLessThan(ALLOWED_KILOBYTES);
        }
    }

    private static long median(long[] values, int from) {
        return Arrays.stream(values, from, from + 3).sorted().toArray()[1];
    }

    private static void run(Kernel kernel, int steps) {
        SplittableRandom random = new SplittableRandom(1);
        for (int done = 0; done < steps; ) {
            List<Kernel.KvCache> caches = new ArrayList<>();
            List<Kernel.Slice> slices = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                Kernel.KvCache cache = kernel.allocate(128);
                caches.add(cache);
                slices.add(
                        new Kernel.Slice(cache, random.ints(10 + 10 * i, 0, 512).toArray(), true));
            }
            for (int i = 0; i < 50 && done < steps; i++, done++) {
                float[][] logits = kernel.step(slices);
                slices.clear();
                for (int j = 0; j < caches.size(); j++) {
                    slices.add(new Kernel.Slice(caches.get(j), new int[] {JavaOps.argMax(logits[j])}, true));
                }
            }
            caches.forEach(cache -> {
                cache.save(0, 16).close();
                cache.close();
            });
        }
    }

    /** Anonymous memory of the process beyond what the Java heap has committed. */
    private static long nativeKilobytes() throws IOException {
        System.gc();
        long anonymous = Arrays.stream(Files.readString(SMAPS).split("\n"))
                .filter(line -> line.startsWith("Anonymous:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .sum();
        return anonymous - Runtime.getRuntime().totalMemory() / 1024;
    }
}
