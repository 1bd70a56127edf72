/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.balancedllm.endpoint.EngineReport;
import org.junit.jupiter.api.Test;

class EngineReportTest {
    @Test
    void whatTheEngineDidNotSayIsAbsentAndNotZero() {
        EngineReport report = EngineReport.builder(5).waiting(0).build();
        assertThat(report.nanos()).isEqualTo(5);
        assertThat(report.waiting()).hasValue(0);
        assertThat(report.running()).isEmpty();
        assertThat(report.kvUsage()).isEmpty();
        assertThat(report.kvCapacityTokens()).isEmpty();
        assertThat(report).hasToString("EngineReport{waiting 0}");
    }

    @Test
    void capacityIsBlocksTimesTheirSizeWhenBothAreKnown() {
        assertThat(EngineReport.builder(0).kvBlocks(27_520).build().kvCapacityTokens())
                .isEmpty();
        EngineReport sized =
                EngineReport.builder(0).kvBlocks(27_520).blockTokens(16).build();
        assertThat(sized.kvCapacityTokens()).hasValue(440_320);
        assertThat(sized).hasToString("EngineReport{kvBlocks 27520, blockTokens 16}");
    }

    @Test
    void whatStepsCostAndWhatComputesThemIsKept() {
        EngineReport report = EngineReport.builder()
                .secondsPerPromptToken(0.002)
                .secondsPerStep(0.03)
                .kernel("TorchScript")
                .build()
                .at(7);
        assertThat(report.secondsPerPromptToken()).hasValue(0.002);
        assertThat(report.secondsPerStep()).hasValue(0.03);
        assertThat(report.kernel()).contains("TorchScript");
        assertThat(report.isEmpty()).isFalse();
        assertThat(report)
                .hasToString("EngineReport{secondsPerPromptToken 0.002, secondsPerStep 0.03, kernel TorchScript}");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> EngineReport.builder().secondsPerStep(Double.POSITIVE_INFINITY))
                .withMessageContaining("secondsPerStep");
    }

    @Test
    void valuesThatCannotBeAreRefusedByName() {
        EngineReport.Builder builder = EngineReport.builder(0);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.kvUsage(Double.NaN))
                .withMessage("kvUsage must be 0 to 1, got NaN");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.running(-1))
                .withMessage("running must be at least 0, got -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.blockTokens(0))
                .withMessage("blockTokens must be at least 1, got 0");
    }
}
