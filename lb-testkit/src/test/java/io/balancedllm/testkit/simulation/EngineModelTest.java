/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The expected numbers were computed apart from this code, from the formulas of the class. */
class EngineModelTest {
    private static final EngineModel H100 = EngineModel.LLAMA_8B_ON_H100;

    @ParameterizedTest
    @CsvSource({
        "1000, 0, 0.032943",
        "8192, 0, 0.297700",
        "12000, 0, 0.463784",
        "12000, 6144, 0.247740",
        "12000, 11776, 0.011188",
        "40000, 0, 2.210091",
        "100000, 0, 9.092567"
    })
    void aPromptTakesWhatTheRooflineSays(int prompt, int cached, double seconds) {
        assertThat(H100.prefillSeconds(prompt, cached)).isCloseTo(seconds, within(1e-6));
    }

    @ParameterizedTest
    @CsvSource({"1, 12000, 0.005636", "16, 192000, 0.012681", "32, 384000, 0.020195", "256, 256000, 0.015213"})
    void aDecodeStepTakesWhatTheRooflineSays(int sequences, long context, double seconds) {
        assertThat(H100.decodeSeconds(sequences, context)).isCloseTo(seconds, within(1e-6));
    }

    @Test
    void aPromptThatIsCachedAsAWholeTakesNoTime() {
        assertThat(H100.prefillSeconds(1_000, 1_000)).isZero();
    }

    @Test
    void anA100IsSlower() {
        assertThat(EngineModel.LLAMA_8B_ON_A100.prefillSeconds(8_192, 0)).isGreaterThan(H100.prefillSeconds(8_192, 0));
        assertThat(EngineModel.LLAMA_8B_ON_A100.decodeSeconds(16, 16_000))
                .isGreaterThan(H100.decodeSeconds(16, 16_000));
    }

    @Test
    void itRefusesLimitsThatCannotWork() {
        assertThatThrownBy(() -> new EngineModel(H100.cost(), 0, 1)).hasMessageContaining("maxBatchedTokens");
        assertThatThrownBy(() -> new Roofline(Roofline.Gpu.H100, Roofline.Llm.LLAMA_8B, -1))
                .hasMessageContaining("stepOverheadSeconds");
        assertThatThrownBy(() -> new EngineModel(H100.cost(), 8, 9)).hasMessageContaining("maxSequences");
    }
}
