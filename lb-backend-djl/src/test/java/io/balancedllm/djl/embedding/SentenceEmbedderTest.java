/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl.embedding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.cache.Embedding;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SentenceEmbedderTest {
    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    private final TinyBert model = new TinyBert(3);

    @BeforeEach
    void write() throws IOException {
        model.write(folder);
    }

    private static Embedding embed(SentenceEmbedder embedder, String text) {
        return embedder.embed(List.of(text)).toCompletableFuture().join().get(0);
    }

    private static double[] unit(double[] vector) {
        double length =
                Math.sqrt(java.util.Arrays.stream(vector).map(x -> x * x).sum());
        return java.util.Arrays.stream(vector).map(x -> x / length).toArray();
    }

    private static void sameDirection(Embedding embedding, double[] expected) {
        double[] unit = unit(expected);
        assertThat(embedding.dimension()).isEqualTo(expected.length);
        for (int i = 0; i < unit.length; i++) {
            assertThat((double) embedding.vector()[i]).isCloseTo(unit[i], within(1e-5));
        }
    }

    @Test
    void vectorsAreThoseOfTheModelWrittenOutInLoops() {
        try (SentenceEmbedder embedder = SentenceEmbedder.load(folder)) {
            for (String text : List.of("w3", "w3 w4", "w1 w2 w3 w4 w5 w6", "w6 w5 w4 w3 w2 w1", "other")) {
                sameDirection(embed(embedder, text), model.mean(model.tokens(text)));
            }
            assertThat(embed(embedder, "w1 w2").similarity(embed(embedder, "w2 w1")))
                    .isLessThan(0.99999);
        }
    }

    @Test
    void theFirstTokenStandsForTheTextWhereTheModelSaysSo() throws IOException {
        Files.createDirectories(folder.resolve("1_Pooling"));
        Files.writeString(
                folder.resolve("1_Pooling").resolve("config.json"),
                "{\"word_embedding_dimension\":8,\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":false}");
        try (SentenceEmbedder embedder = SentenceEmbedder.load(folder)) {
            sameDirection(embed(embedder, "w3 w4"), model.encode(model.tokens("w3 w4"))[0]);
        }
    }

    @Test
    void aTextLongerThanTheModelSeesSaysThatItWasCutAndKeepsItsEndMark() throws IOException {
        Files.writeString(folder.resolve("sentence_bert_config.json"), "{\"max_seq_length\":5}");
        try (SentenceEmbedder embedder = SentenceEmbedder.load(folder)) {
            Embedding whole = embed(embedder, "w1 w2 w3");
            Embedding cut = embed(embedder, "w1 w2 w3 w4 w5");

            assertThat(whole.truncated()).isFalse();
            assertThat(cut.truncated()).isTrue();
            assertThat(cut.similarity(whole)).isGreaterThan(0.99999);
        }
    }

    @Test
    void itsNameIsThatOfTheFilesWhereverTheyLie(@TempDir Path elsewhere) throws IOException {
        model.write(elsewhere);
        try (SentenceEmbedder one = SentenceEmbedder.load(folder);
                SentenceEmbedder same = SentenceEmbedder.load(elsewhere)) {
            new TinyBert(4).write(elsewhere);
            try (SentenceEmbedder other = SentenceEmbedder.load(elsewhere, 0.9, 1)) {
                assertThat(same.id()).isEqualTo(one.id()).isNotEqualTo(other.id());
                assertThat(other.threshold()).isEqualTo(0.9);
                assertThat(one.dimension()).isEqualTo(TinyBert.WIDTH);
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "config.json | \"bert\" | \"roberta\" | model_type",
                "config.json | \"gelu\" | \"swish\" | hidden_act",
                "config.json | \"absolute\" | \"rotary\" | position_embedding_type",
                "config.json | \"num_attention_heads\":2 | \"num_attention_heads\":3 | heads",
                "config.json | \"num_hidden_layers\":2 | \"num_hidden_layers\":3 | encoder.layer.2",
                "config.json | { | [ | config.json",
                "tokenizer.json | { | [ | tokenizer.json"
            })
    void aModelThatCannotBeComputedIsRefusedByName(String file, String old, String changed, String named)
            throws IOException {
        Path path = folder.resolve(file);
        Files.writeString(path, Files.readString(path).replace(old, changed));

        assertThatThrownBy(() -> SentenceEmbedder.load(folder))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(named);
    }

    @Test
    void aDirectoryWithMoreToItThanTheEncoderIsRefused() throws IOException {
        Files.writeString(folder.resolve("modules.json"), "[{\"type\":\"sentence_transformers.models.Dense\"}]");

        assertThatThrownBy(() -> SentenceEmbedder.load(folder)).hasMessageContaining("Dense");
    }

    @Test
    void filesThatAreMissingOrCutAreRefusedByName() throws IOException {
        Path weights = folder.resolve("model.safetensors");
        byte[] whole = Files.readAllBytes(weights);
        for (int length : new int[] {0, 7, 100, whole.length / 2, whole.length - 1}) {
            Files.write(weights, java.util.Arrays.copyOf(whole, length));
            assertThatThrownBy(() -> SentenceEmbedder.load(folder))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("model.safetensors");
        }
        Files.delete(weights);
        assertThatThrownBy(() -> SentenceEmbedder.load(folder)).hasMessageContaining("model.safetensors");
    }

    @Test
    void manyThreadsMayAskAndAfterTheEndItFails() {
        SentenceEmbedder embedder = SentenceEmbedder.load(folder);
        List<Embedding> all = Stream.generate(() -> "w1 w2 w3")
                .limit(200)
                .parallel()
                .map(text -> embed(embedder, text))
                .toList();
        embedder.close();
        embedder.close();

        assertThat(all)
                .allSatisfy(each -> assertThat(each.similarity(all.get(0))).isCloseTo(1, within(1e-6)));
        assertThat(embedder.embed(List.of("w1")).toCompletableFuture()).isCompletedExceptionally();
    }
}
