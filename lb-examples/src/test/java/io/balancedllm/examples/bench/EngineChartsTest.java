/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class EngineChartsTest {
    @Test
    void stepsAreToldApartByTheirTokensAndOwnWhatWasKeptRightAfterThem() {
        // Two streams get a token after 0.1 s and after 0.4 s, in which 32 and 16 tokens of a prompt were fed, too.
        List<double[]> gaps = List.of(
                new double[] {0.1, 0.1}, new double[] {0.4, 0.3}, new double[] {0.101, 0.1}, new double[] {0.402, 0.301
                });
        List<double[]> prompts = List.of(new double[] {0.103, 32}, new double[] {0.403, 8}, new double[] {0.404, 8});
        EngineRun.Load load = new EngineRun.Load(List.of(0.4), gaps, prompts, 0.4);
        assertThat(EngineCharts.steps(load))
                .containsExactly(new double[] {0, 0.1, 2, 32}, new double[] {0.1, 0.4, 2, 16});
    }
}
