/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HalfWeightsTest {
    /** What docs/engine.md says of rounding. */
    private static final double PERPLEXITY = 1e-3;

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tiny-a", "gpt2-tiny-c"})
    void roundingWeightsMovesPerplexityByLessThanAThousandth(String model) {
        double exact = perplexity(TestKernel.ND_ARRAY, model);
        assertThat(perplexity(TestKernel.HALF_WEIGHTS, model) / exact).isCloseTo(1, within(PERPLEXITY));
    }

    @Test
    void onlyACheckpointStoredAsFp16IsTakenToBeExact() {
        assertThat(checkpoint("gpt2-tiny-a").storedAs("F16")).isFalse();
        assertThat(checkpoint("gpt2-tiny-b").storedAs("F16")).isTrue();
        assertThat(checkpoint("gpt2-tiny-c").storedAs("F16")).isFalse();
    }

    private static Checkpoint checkpoint(String model) {
        ModelFiles files = ModelFiles.directory(Golden.path(model));
        return Checkpoint.open(files, Gpt2Config.read(files));
    }

    private static double perplexity(TestKernel kernel, String name) {
        double sum = 0;
        int count = 0;
        try (Gpt2Model model = kernel.load(name)) {
            for (JsonNode prompt : Golden.numbers(name).path("prompts")) {
                int[] ids = Golden.ints(prompt.path("ids"));
                try (Kernel.KvCache cache = model.kernel().allocate(ids.length)) {
                    for (int i = 0; i + 1 < ids.length; i++) {
                        Kernel.Slice slice = new Kernel.Slice(cache, new int[] {ids[i]}, true);
                        float[] logits = model.kernel().step(List.of(slice))[0];
                        sum -= TokenProbabilities.logProbability(logits, ids[i + 1]);
                        count++;
                    }
                }
            }
        }
        return Math.exp(sum / count);
    }
}
