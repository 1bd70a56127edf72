/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static io.balancedllm.djl.Stepped.alone;
import static io.balancedllm.djl.Stepped.greedy;
import static io.balancedllm.djl.Stepped.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Prompt;
import io.balancedllm.endpoint.Attempt;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

class Gpt2EmbeddingTest {
    private static final EngineOptions OPTIONS = new EngineOptions(4, 8, 1024, 256);

    @Test
    void aVectorIsTheMeanOfTheFinalStatesOfLengthOne() {
        try (Stepped engine = new Stepped(OPTIONS)) {
            int[] ids = prompt(40, 1);
            float[] vector = vectors(engine, ids).get(0);
            float[] expected = mean(engine, ids);
            assertThat(vector).hasSize(expected.length);
            double norm = 0;
            for (int i = 0; i < vector.length; i++) {
                assertThat(vector[i]).isCloseTo(expected[i], within(1e-5f));
                norm += vector[i] * vector[i];
            }
            assertThat(norm).isCloseTo(1, within(1e-5));
        }
    }

    @Test
    void vectorsAreTheSameInChunksAndBesideOthers() {
        try (Stepped engine = new Stepped(new EngineOptions(4, 8, 1024, 16))) {
            int[] decoding = prompt(4, 5);
            RecordingSink sink = engine.start(greedy(decoding, 30));
            engine.step(2);
            List<float[]> vectors = vectors(engine, prompt(90, 1), prompt(7, 2), prompt(33, 3));
            assertThat(vectors).hasSize(3);
            for (int i = 0; i < 3; i++) {
                float[] expected = mean(
                        engine,
                        List.of(prompt(90, 1), prompt(7, 2), prompt(33, 3)).get(i));
                for (int j = 0; j < expected.length; j++) {
                    assertThat(vectors.get(i)[j]).isCloseTo(expected[j], within(1e-5f));
                }
            }
            engine.runAll();
            assertThat(sink.completion().text()).isEqualTo(alone(decoding, 30));
        }
    }

    @Test
    void usageCountsTheTokensOfAllTexts() {
        try (Stepped engine = new Stepped(OPTIONS)) {
            CompletableFuture<Embeddings> future = engine.backend
                    .embed(Attempt.of(EmbeddingRequest.builder(
                                    new Prompt.Tokens(List.of(prompt(5, 1), prompt(6, 2)), false))
                            .build()))
                    .toCompletableFuture();
            engine.runAll();
            assertThat(await(future).usage().orElseThrow().promptTokens()).isEqualTo(11);
            assertThat(await(future).model()).contains("tiny");
        }
    }

    @Test
    void whatCannotBeEmbeddedIsRefusedByName() {
        try (Stepped engine = new Stepped(OPTIONS)) {
            assertThat(refusal(
                            engine,
                            EmbeddingRequest.builder(new Prompt.Text("ox"))
                                    .dimensions(5)
                                    .build()))
                    .isEqualTo(Reason.UNSUPPORTED);
            assertThat(refusal(
                            engine,
                            EmbeddingRequest.builder(new Prompt.Text("ox"))
                                    .model("x")
                                    .build()))
                    .isEqualTo(Reason.MODEL_NOT_FOUND);
            assertThat(refusal(engine, EmbeddingRequest.of("the town ".repeat(1_000))))
                    .isEqualTo(Reason.CONTEXT_LENGTH_EXCEEDED);
            assertThat(refusal(engine, EmbeddingRequest.of("ox,".repeat(100).split(",", -1))))
                    .isEqualTo(Reason.INVALID_REQUEST);
        }
    }

    @Test
    void cancellingTheFutureEndsTheWork() {
        try (Stepped engine = new Stepped(OPTIONS)) {
            CompletableFuture<Embeddings> future = engine.backend
                    .embed(Attempt.of(EmbeddingRequest.of("the town")))
                    .toCompletableFuture();
            assertThat(future.cancel(true)).isTrue();
            engine.runAll();
            assertThat(engine.kernel.steps).isEmpty();
            assertThat(engine.backend.engine().report().requests()).hasValue(0);
        }
    }

    @Test
    void aClosedBackendSaysSo() {
        Stepped engine = new Stepped(OPTIONS);
        engine.close();
        assertThat(refusal(engine, EmbeddingRequest.of("ox"))).isEqualTo(Reason.UNAVAILABLE);
    }

    private static Reason refusal(Stepped engine, EmbeddingRequest request) {
        CompletableFuture<Embeddings> future =
                engine.backend.embed(Attempt.of(request)).toCompletableFuture();
        try {
            await(future);
        } catch (CompletionException e) {
            if (e.getCause() instanceof LlmException cause) {
                return cause.reason();
            }
            throw e;
        }
        throw new AssertionError("was embedded");
    }

    private static List<float[]> vectors(Stepped engine, int[]... texts) {
        CompletableFuture<Embeddings> future = engine.backend
                .embed(Attempt.of(EmbeddingRequest.builder(new Prompt.Tokens(List.of(texts), false))
                        .build()))
                .toCompletableFuture();
        while (engine.backend.engine().report().requests().orElseThrow() > 0
                && engine.backend.engine().step()) {
            if (future.isDone()) {
                break;
            }
        }
        return await(future).vectors();
    }

    private static Embeddings await(CompletableFuture<Embeddings> future) {
        try {
            return future.get(30, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw new CompletionException(e.getCause());
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    private static float[] mean(Stepped engine, int[] ids) {
        Kernel kernel = engine.backend.model().kernel();
        try (Kernel.KvCache cache = kernel.allocate(ids.length)) {
            float[] states = kernel.step(List.of(new Kernel.Slice(cache, ids, Kernel.Wanted.STATES, null)))[0];
            float[] mean = new float[states.length / ids.length];
            double norm = 0;
            for (int i = 0; i < mean.length; i++) {
                double sum = 0;
                for (int token = 0; token < ids.length; token++) {
                    sum += states[token * mean.length + i];
                }
                mean[i] = (float) (sum / ids.length);
                norm += (double) mean[i] * mean[i];
            }
            for (int i = 0; i < mean.length; i++) {
                mean[i] /= (float) Math.sqrt(norm);
            }
            return mean;
        }
    }
}
