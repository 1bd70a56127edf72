/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.balancedllm.completion.SamplingOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class KernelGoldenTest {
    /** Equal fp32 computations differ by up to 1.5e-5; a wrong epsilon shows as 7e-4. */
    private static final double LOGITS = 1e-4;

    /** The others would be rounded by the kernel with fp16 weights. */
    private static final String STORED_AS_FP16 = "gpt2-tiny-b";

    private static final Offset<Double> PROBABILITIES = within(1e-5);

    static Stream<Arguments> kernels() {
        return Golden.MODELS.stream()
                .flatMap(model -> Stream.of(TestKernel.values())
                        .filter(kernel -> kernel != TestKernel.HALF_WEIGHTS || model.equals(STORED_AS_FP16))
                        .map(kernel -> Arguments.of(model, kernel)));
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void logitsOfTheLastPositionAgreeWithTransformers(String name, TestKernel kernel) {
        try (Gpt2Model model = kernel.load(name)) {
            for (JsonNode prompt : Golden.numbers(name).path("prompts")) {
                assertClose(model.logits(Golden.ints(prompt.path("ids"))), prompt.path("last_logits"));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void logProbabilitiesAndTopFiveOfEachPositionAgreeTokenByToken(String name, TestKernel kernel) {
        try (Gpt2Model model = kernel.load(name)) {
            for (JsonNode prompt : Golden.numbers(name).path("prompts")) {
                int[] ids = Golden.ints(prompt.path("ids"));
                try (Kernel.KvCache cache = model.kernel().allocate(ids.length)) {
                    for (int i = 0; i < ids.length; i++) {
                        float[] logits = feed(model, cache, ids[i]);
                        assertThat(TokenProbabilities.best(logits, 5))
                                .containsExactly(Golden.ints(prompt.path("top5").path(i)));
                        if (i + 1 < ids.length) {
                            assertThat(TokenProbabilities.logProbability(logits, ids[i + 1]))
                                    .isCloseTo(prompt.path("logprobs").path(i).asDouble(), within(LOGITS));
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void greedyContinuationsAreEqual(String name, TestKernel kernel) {
        try (Gpt2Model model = kernel.load(name)) {
            for (JsonNode prompt : Golden.numbers(name).path("prompts")) {
                int[] expected = Golden.ints(prompt.path("greedy").path("ids"));
                assertThat(model.greedy(Golden.ints(prompt.path("ids")), expected.length))
                        .containsExactly(expected);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void greedyContinuationsUnderARepetitionPenaltyAreEqual(String name, TestKernel kernel) {
        JsonNode numbers = Golden.numbers(name);
        try (Gpt2Model model = kernel.load(name)) {
            for (JsonNode run : numbers.path("repetition")) {
                int[] ids = Golden.ints(
                        Golden.prompt(numbers, run.path("prompt").asText()).path("ids"));
                int[] expected = Golden.ints(run.path("ids"));
                SamplingOptions options = SamplingOptions.builder()
                        .temperature(0)
                        .repetitionPenalty(run.path("penalty").asDouble())
                        .build();
                assertThat(generate(model, ids, options, expected.length)).containsExactly(expected);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void whatSamplingLeavesOfTheDistributionIsEqual(String name, TestKernel kernel) {
        JsonNode numbers = Golden.numbers(name);
        try (Gpt2Model model = kernel.load(name)) {
            for (JsonNode run : numbers.path("sampling")) {
                int[] ids = Golden.ints(
                        Golden.prompt(numbers, run.path("prompt").asText()).path("ids"));
                Sampler sampler = new Sampler(
                        options(run.path("options")), 0, model.config().vocabularySize());
                sampler.see(ids);
                Sampler.Distribution distribution = sampler.distribution(model.logits(ids));
                double[] p = new double[model.config().vocabularySize()];
                for (int i = 0; i < distribution.ids().length; i++) {
                    p[distribution.ids()[i]] = distribution.probabilities()[i];
                }
                int[] expected = Golden.ints(run.path("ids"));
                assertThat(distribution.ids()).containsExactlyInAnyOrder(expected);
                for (int i = 0; i < expected.length; i++) {
                    assertThat(p[expected[i]]).isCloseTo(run.path("p").path(i).asDouble(), PROBABILITIES);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void aMixedBatchOfPrefillChunksAndDecodesGivesEachSequenceItsOwnLogits(String name, TestKernel kernel) {
        try (Gpt2Model model = kernel.load(name)) {
            List<Kernel.KvCache> caches = new ArrayList<>();
            List<JsonNode> prompts = new ArrayList<>();
            Golden.numbers(name).path("prompts").forEach(prompts::add);
            float[][] results = new float[prompts.size()][];
            int[] fed = new int[prompts.size()];
            prompts.forEach(prompt ->
                    caches.add(model.kernel().allocate(prompt.path("ids").size())));
            for (int round = 0; Arrays.stream(results).anyMatch(result -> result == null); round++) {
                List<Kernel.Slice> slices = new ArrayList<>();
                List<Integer> owners = new ArrayList<>();
                for (int i = 0; i < fed.length; i++) {
                    int[] ids = Golden.ints(prompts.get(i).path("ids"));
                    int to = Math.min(ids.length, fed[i] + 1 + (round + i) % 9);
                    if (fed[i] < ids.length) {
                        slices.add(
                                new Kernel.Slice(caches.get(i), Arrays.copyOfRange(ids, fed[i], to), to == ids.length));
                        owners.add(i);
                        fed[i] = to;
                    }
                }
                float[][] logits = model.kernel().step(slices);
                for (int i = 0; i < logits.length; i++) {
                    if (logits[i].length > 0) {
                        results[owners.get(i)] = logits[i];
                    }
                }
            }
            for (int i = 0; i < results.length; i++) {
                assertClose(results[i], prompts.get(i).path("last_logits"));
            }
            caches.forEach(Kernel.KvCache::close);
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void logitsBehindARestoredPrefixAreEqual(String name, TestKernel kernel) {
        try (Gpt2Model model = kernel.load(name)) {
            JsonNode prompt = Golden.prompt(Golden.numbers(name), "33-multilingual");
            int[] ids = Golden.ints(prompt.path("ids"));
            try (Kernel.KvCache first = model.kernel().allocate(ids.length);
                    Kernel.KvCache second = model.kernel().allocate(ids.length)) {
                model.kernel().step(List.of(new Kernel.Slice(first, ids, false)));
                try (Kernel.KvBlock head = first.save(0, 16);
                        Kernel.KvBlock tail = first.save(16, 8)) {
                    second.append(head);
                    second.append(tail);
                }
                assertThat(second.length()).isEqualTo(24);
                int[] rest = Arrays.copyOfRange(ids, 24, ids.length);
                float[] logits = model.kernel().step(List.of(new Kernel.Slice(second, rest, true)))[0];
                assertClose(logits, prompt.path("last_logits"));
            }
        }
    }

    private static void assertClose(float[] logits, JsonNode expected) {
        double[] values = new double[logits.length];
        Arrays.setAll(values, i -> logits[i]);
        assertThat(values).containsExactly(Golden.doubles(expected), within(LOGITS));
    }

    private static float[] feed(Gpt2Model model, Kernel.KvCache cache, int... ids) {
        return model.kernel().step(List.of(new Kernel.Slice(cache, ids, true)))[0];
    }

    private static int[] generate(Gpt2Model model, int[] ids, SamplingOptions options, int count) {
        Sampler sampler = new Sampler(options, 0, model.config().vocabularySize());
        sampler.see(ids);
        int[] result = new int[count];
        try (Kernel.KvCache cache = model.kernel().allocate(ids.length + count)) {
            int[] next = ids;
            for (int i = 0; i < count; i++) {
                result[i] = sampler.next(feed(model, cache, next));
                next = new int[] {result[i]};
            }
        }
        return result;
    }

    private static SamplingOptions options(JsonNode json) {
        SamplingOptions.Builder options = SamplingOptions.builder();
        options.temperature(json.path("temperature").asDouble(1));
        options.topK(json.path("top_k").asInt(0));
        options.topP(json.path("top_p").asDouble(1));
        options.minP(json.path("min_p").asDouble(0));
        options.repetitionPenalty(json.path("repetition_penalty").asDouble(1));
        return options.build();
    }
}
