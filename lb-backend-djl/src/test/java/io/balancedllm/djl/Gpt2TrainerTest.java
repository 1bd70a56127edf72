/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Gpt2TrainerTest {
    private static final List<String> TEXTS = List.of("the fox sees the owl.", "the owl sees the fox and the tree.");
    private static final Gpt2Trainer.Size SMALL = new Gpt2Trainer.Size(2, 32, 2, 64);
    private static final double RATE = 1e-2;

    @TempDir
    private Path directory;

    @BeforeEach
    void learnTokenizer() {
        BytePairTraining.learn(TEXTS, 280, SMALL.contextLength(), directory);
    }

    @Test
    void theBackendLoadsWhatWasExportedAndContinuesAsTheTrainerWould() {
        try (Gpt2Trainer trainer = create()) {
            double before = trainer.loss(encoded(trainer));
            train(trainer, 40);
            assertThat(trainer.loss(encoded(trainer))).isLessThan(before / 4);
            trainer.export(directory);

            try (Gpt2Model model = Gpt2Model.load(directory)) {
                int[] ids = model.encode("the");
                for (int next : model.greedy(ids, 8)) {
                    float[] expected = trainer.logits(ids);
                    float[] actual = model.logits(ids);
                    for (int id = 0; id < expected.length; id++) {
                        assertThat(actual[id]).isCloseTo(expected[id], within(0.05f));
                    }
                    assertThat(next).isEqualTo(JavaOps.argMax(expected));
                    ids = Arrays.copyOf(ids, ids.length + 1);
                    ids[ids.length - 1] = next;
                }
            }
        }
    }

    @Test
    void aTrainingThatGoesOnLaterEndsWithTheSameBytes(@TempDir Path other) throws Exception {
        Path checkpoint = other.resolve("checkpoint");
        try (Gpt2Trainer whole = create()) {
            train(whole, 6);
            whole.export(directory);
        }
        try (Gpt2Trainer begun = create()) {
            train(begun, 3);
            begun.save(checkpoint, 1.5);
        }
        try (Gpt2Trainer resumed = Gpt2Trainer.resume(directory, SMALL, checkpoint, 1)) {
            assertThat(resumed.steps()).isEqualTo(3);
            assertThat(resumed.seconds()).isEqualTo(1.5);
            train(resumed, 3);
            resumed.export(other);
        }

        assertThat(other.resolve("model.safetensors")).hasSameBinaryContentAs(directory.resolve("model.safetensors"));
        try (var files = Files.list(other)) {
            assertThat(files).noneMatch(file -> file.toString().endsWith(".part"));
        }
    }

    @Test
    void aCheckpointOfAnotherSizeIsRefusedByName() {
        Path checkpoint = directory.resolve("checkpoint");
        try (Gpt2Trainer trainer = create()) {
            trainer.save(checkpoint, 0);
        }
        Gpt2Trainer.Size wider = new Gpt2Trainer.Size(2, 64, 2, 64);

        assertThatThrownBy(() -> Gpt2Trainer.resume(directory, wider, checkpoint, 1))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("wte.weight")
                .hasMessageContaining("go on with the size");
    }

    @Test
    void gradientsAreClippedByTheirNormOverAllWeights() {
        Path checkpoint = directory.resolve("checkpoint");
        try (Gpt2Trainer trainer = create()) {
            trainer.step(encoded(trainer), 0);
            trainer.save(checkpoint, 0);
        }
        Safetensors file = Safetensors.open(checkpoint);
        double squares = 0;
        for (String name : file.names()) {
            if (name.startsWith("first.")) {
                for (float value : file.tensor(name).floats()) {
                    squares += value * value;
                }
            }
        }

        // The gradients of drawn weights are longer than the limit; a tenth of them is in the mean after one step.
        assertThat(Math.sqrt(squares))
                .isCloseTo((1 - Gpt2Trainer.FIRST_MOMENT_DECAY) * Gpt2Trainer.GRADIENT_NORM_LIMIT, within(1e-5));
    }

    @Test
    void stepsLeaveNothingBehindInNativeMemory() {
        try (Gpt2Trainer trainer = create()) {
            train(trainer, 1);
            int before = trainer.managedArrays();
            train(trainer, 10);
            trainer.loss(encoded(trainer));

            assertThat(trainer.managedArrays()).isEqualTo(before);
        }
    }

    @Test
    void aLossThatIsNoNumberEndsTheTrainingAndLeavesTheWeights() {
        try (Gpt2Trainer trainer = create()) {
            trainer.step(encoded(trainer), 1e30);

            assertThatThrownBy(() -> train(trainer, 3))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("lower the learning rate");
        }
    }

    @Test
    void textsBeyondTheContextAndSizesThatAreNoneAreRefused() {
        try (Gpt2Trainer trainer = create()) {
            assertThatThrownBy(() -> trainer.step(List.of(new int[66]), RATE))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("1 to 64");
        }
        assertThatThrownBy(() -> new Gpt2Trainer.Size(1, 30, 4, 64))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("multiple of heads");
    }

    @Test
    void halvesRoundToTheNearestAndTiesToEven() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            float value = Tensor.halfToFloat((short) bits);
            if (!Float.isNaN(value)) {
                assertThat(SafetensorsWriter.floatToHalf(value)).isEqualTo((short) bits);
            }
        }
        assertThat(SafetensorsWriter.floatToHalf(1 + 0x1p-11f)).isEqualTo(SafetensorsWriter.floatToHalf(1));
        assertThat(SafetensorsWriter.floatToHalf(1 + 0x1.8p-10f)).isEqualTo(SafetensorsWriter.floatToHalf(1 + 0x1p-9f));
        assertThat(SafetensorsWriter.floatToHalf(65_519)).isEqualTo(SafetensorsWriter.floatToHalf(65_504));
        assertThat(Tensor.halfToFloat(SafetensorsWriter.floatToHalf(1e6f))).isInfinite();
        assertThat(Tensor.halfToFloat(SafetensorsWriter.floatToHalf(Float.NaN))).isNaN();
        assertThat(SafetensorsWriter.floatToHalf(0x1p-25f)).isZero();
    }

    private Gpt2Trainer create() {
        return Gpt2Trainer.create(directory, SMALL, 1, 1);
    }

    private static void train(Gpt2Trainer trainer, int steps) {
        for (int i = 0; i < steps; i++) {
            trainer.step(encoded(trainer), RATE);
        }
    }

    private static List<int[]> encoded(Gpt2Trainer trainer) {
        return TEXTS.stream().map(trainer::encode).toList();
    }
}
