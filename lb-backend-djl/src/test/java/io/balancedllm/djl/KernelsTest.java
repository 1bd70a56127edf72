/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class KernelsTest {
    private static final Gpt2Config LARGE = config(512, 7, Activation.GELU_TANH, 1e-5f);
    private static final Gpt2Config SMALL = config(64, 2, Activation.GELU_TANH, 1e-5f);

    @ParameterizedTest
    @CsvSource({
        "'', script with oneDNN and plain",
        "ONE_DNN_AND_PLAIN, script with oneDNN",
        "ONE_DNN_AND_PLAIN ONE_DNN, script",
        "ONE_DNN_AND_PLAIN ONE_DNN PLAIN, plain Java",
    })
    void aKernelThatCannotBeUsedIsReplacedByTheNext(String broken, String expected) {
        assertThat(LARGE.parameters()).isGreaterThan(Kernels.ONE_DNN_PARAMETERS);
        Checkpoint drawn = Checkpoint.drawn(LARGE, 1, Checkpoint.INITIAL_DEVIATION);
        try (Kernel kernel = Kernels.load(
                LARGE,
                drawn,
                KernelOptions.DEFAULT,
                linears -> List.of(broken.split(" ")).contains(linears.name()) ? "it is broken" : null)) {
            assertThat(kernel.name()).isEqualTo(expected);
        }
    }

    @Test
    void aSmallModelRunsInPlainJavaAndPyTorchIsNotEvenTried() {
        Checkpoint drawn = Checkpoint.drawn(SMALL, 1, Checkpoint.INITIAL_DEVIATION);
        try (Kernel kernel = Kernels.load(SMALL, drawn, KernelOptions.DEFAULT, linears -> {
            throw new AssertionError(linears);
        })) {
            assertThat(kernel.name()).isEqualTo("plain Java");
        }
    }

    @Test
    void aKernelThatWasAskedForByNameIsNotReplaced() {
        Checkpoint drawn = Checkpoint.drawn(SMALL, 1, Checkpoint.INITIAL_DEVIATION);
        KernelOptions options = KernelOptions.DEFAULT.choice(KernelChoice.ONE_DNN);
        assertThatThrownBy(() -> Kernels.load(SMALL, drawn, options, linears -> "it is broken"))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("script with oneDNN cannot be used: it is broken");
    }

    @ParameterizedTest
    @EnumSource(ScriptLinears.class)
    void theSelfCheckPassesWhatIsRight(ScriptLinears linears) {
        TorchRuntime.Place place = TorchRuntime.Place.of(KernelOptions.DEFAULT);
        for (Activation activation : Activation.values()) {
            Gpt2Config config = config(96, 3, activation, 1e-5f);
            Gpt2Config miniature = SelfCheck.miniature(config);
            double difference = SelfCheck.difference(
                    config, drawn -> new ScriptKernel(miniature, drawn, LayerRange.all(miniature), linears, place));
            boolean coarse = linears == ScriptLinears.HALF;
            assertThat(difference).isLessThan((coarse ? SelfCheck.COARSE_TOLERANCE : SelfCheck.TOLERANCE) / 5);
        }
    }

    @Test
    void theSelfCheckFindsAnotherActivationAndAnotherEpsilon() {
        Gpt2Config tanh = config(96, 3, Activation.GELU_TANH, 1e-5f);
        for (Gpt2Config other : new Gpt2Config[] {
            config(96, 3, Activation.GELU_EXACT, 1e-5f), config(96, 3, Activation.GELU_TANH, 1e-4f)
        }) {
            Gpt2Config miniature = SelfCheck.miniature(other);
            assertThat(SelfCheck.difference(tanh, drawn -> new JavaKernel(miniature, drawn, LayerRange.all(miniature))))
                    .isGreaterThan(SelfCheck.TOLERANCE);
        }
    }

    @Test
    void aGpuThatIsNotThereIsNamedWithWhatToSet() {
        Checkpoint drawn = Checkpoint.drawn(SMALL, 1, Checkpoint.INITIAL_DEVIATION);
        assumeTrue(TorchRuntime.gpus() == 0, "skipped: there is a GPU");
        assertThatThrownBy(() -> Kernels.load(SMALL, drawn, KernelOptions.DEFAULT.device("gpu0")))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("gpu0 is not there")
                .hasMessageContaining("PYTORCH_LIBRARY_PATH")
                .hasMessageContaining("PYTORCH_VERSION")
                .hasMessageContaining("PYTORCH_FLAVOR");
    }

    @Test
    void sixteenBitsOnACpuAreRefused() {
        Checkpoint drawn = Checkpoint.drawn(SMALL, 1, Checkpoint.INITIAL_DEVIATION);
        KernelOptions options =
                KernelOptions.DEFAULT.choice(KernelChoice.SCRIPT).precision(Precision.BF16);
        assertThatThrownBy(() -> Kernels.load(SMALL, drawn, options))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("precision is BF16");
    }

    @ParameterizedTest
    @EnumSource(names = {"AUTOMATIC", "SCRIPT", "PLAIN_JAVA"})
    void aModelThatDoesNotFitSaysWhatItTakesAndWhatThereIs(KernelChoice choice) {
        Gpt2Config huge = config(32_768, 96, Activation.GELU_TANH, 1e-5f);
        Checkpoint drawn = Checkpoint.drawn(huge, 1, Checkpoint.INITIAL_DEVIATION);
        assertThatThrownBy(() -> Kernels.load(huge, drawn, KernelOptions.DEFAULT.choice(choice)))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("does not fit")
                .hasMessageMatching(".*takes \\d+ MB.* and \\d+ MB are there.*");
    }

    @Test
    void plainMatricesAreKeptBesideOnlyWhereBothTakeAtMostHalfOfTheMemory() {
        assertThat(new MemoryNeed("of memory", 500, OptionalLong.of(1_000)).fitsInto(Kernels.SHARE_FOR_BOTH))
                .isTrue();
        assertThat(new MemoryNeed("of memory", 501, OptionalLong.of(1_000)).fitsInto(Kernels.SHARE_FOR_BOTH))
                .isFalse();
        assertThat(new MemoryNeed("of memory", 500, OptionalLong.empty()).fitsInto(Kernels.SHARE_FOR_BOTH))
                .isFalse();
    }

    @Test
    void theSecondCopyOfTheMatricesIsCounted() {
        TorchRuntime.Place place = TorchRuntime.Place.of(KernelOptions.DEFAULT);
        LayerRange all = LayerRange.all(LARGE);
        long layers = Float.BYTES * 12L * 512 * 512 * LARGE.layers();
        long one =
                MemoryNeed.inPyTorch(LARGE, all, ScriptLinears.ONE_DNN, place).bytes();
        long both = MemoryNeed.inPyTorch(LARGE, all, ScriptLinears.ONE_DNN_AND_PLAIN, place)
                .bytes();
        assertThat(both - one).isBetween(layers, layers + layers / 100);
    }

    @Test
    void whereMemoryIsNotToldNothingIsRefused() {
        new MemoryNeed("of memory", Long.MAX_VALUE, OptionalLong.empty()).check();
    }

    @Test
    void layersAreSplitAsEvenlyAsCanBe() {
        assertThat(LayerRange.split(LARGE, 3))
                .containsExactly(new LayerRange(0, 3, 7), new LayerRange(3, 5, 7), new LayerRange(5, 7, 7));
        assertThatThrownBy(() -> LayerRange.split(LARGE, 8)).hasMessageContaining("between 1 and the model's 7 layers");
    }

    private static Gpt2Config config(int width, int layers, Activation activation, float epsilon) {
        return new Gpt2Config(128, 64, width, layers, 4, 4 * width, epsilon, activation, true, false, true, Set.of());
    }
}
