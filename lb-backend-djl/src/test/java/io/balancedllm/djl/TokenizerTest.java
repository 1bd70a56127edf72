/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizerTest {
    private static final List<JsonNode> TEXTS = Golden.vectors("tokenizer-vectors.jsonl");
    private static final List<JsonNode> IDS = Golden.vectors("decode-vectors.jsonl");

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tiny-a", "gpt2-tiny-b"})
    void everyTextEncodesAsTransformersDoes(String model) {
        try (Tokenizer tokenizer = tokenizer(model)) {
            assertThat(tokenizer).isInstanceOf(BytePairTokenizer.class);
            for (JsonNode vector : TEXTS) {
                String text = vector.path("text").asText();
                int[] ids = Golden.ints(vector.path("ids"));
                assertThat(tokenizer.encodeSpecial(text)).as(text).containsExactly(ids);
                int[] plain = vector.has("ids_plain") ? Golden.ints(vector.path("ids_plain")) : ids;
                assertThat(tokenizer.encode(text)).as(text).containsExactly(plain);
                assertThat(tokenizer.decode(ids, false)).isEqualTo(text);
            }
        }
    }

    @Test
    void vocabularyAndMergesAloneMakeTheSameTokenizer(@TempDir Path directory) throws IOException {
        for (String file : List.of("vocab.json", "merges.txt")) {
            Files.copy(Golden.path("gpt2-tiny-a").resolve(file), directory.resolve(file));
        }
        try (Tokenizer tokenizer = Tokenizer.open(ModelFiles.directory(directory))) {
            for (JsonNode vector : TEXTS) {
                assertThat(tokenizer.encodeSpecial(vector.path("text").asText()))
                        .containsExactly(Golden.ints(vector.path("ids")));
            }
        }
    }

    @Test
    void illFormedBytesDecodeToOneReplacementPerMaximalPart() {
        try (Tokenizer tokenizer = tokenizer("gpt2-tiny-a")) {
            for (JsonNode vector : IDS) {
                int[] ids = Golden.ints(vector.path("ids"));
                String decoded = vector.path("decoded").asText();
                assertThat(tokenizer.decode(ids, false)).isEqualTo(decoded);
                assertThat(tokenizer.decode(ids, true))
                        .isEqualTo(vector.path("skip_special").asText(decoded));
            }
        }
    }

    @Test
    void streamedTextNeverEndsInHalfACharacter() {
        try (Tokenizer tokenizer = tokenizer("gpt2-tiny-a")) {
            String text = "\uD83D\uDE00 \u65E5\u672C\u8A9E";
            TextDecoder decoder = tokenizer.decoder(false);
            StringBuilder all = new StringBuilder();
            for (int id : tokenizer.encode(text)) {
                String piece = decoder.append(id);
                assertThat(piece).doesNotContain("\uFFFD");
                assertThat(piece.isEmpty() || !Character.isHighSurrogate(piece.charAt(piece.length() - 1)))
                        .isTrue();
                all.append(piece);
            }
            assertThat(all.append(decoder.finish())).hasToString(text);
        }
    }

    @Test
    void oneVeryLongWordTakesNoQuadraticTime() {
        try (Tokenizer tokenizer = tokenizer("gpt2-tiny-a")) {
            String text = "the".repeat(200_000);
            assertThat(tokenizer.decode(tokenizer.encode(text), false)).isEqualTo(text);
        }
    }

    @Test
    void theNativeTokenizerIsAnOracleOnEveryVector() throws IOException {
        ModelFiles files = ModelFiles.directory(Golden.path("gpt2-tiny-a"));
        try (Tokenizer oracle = new HuggingFaceTokens(files, files.json("tokenizer.json"));
                Tokenizer ours = tokenizer("gpt2-tiny-a")) {
            for (JsonNode vector : TEXTS) {
                String text = vector.path("text").asText();
                assertThat(ours.encodeSpecial(text)).containsExactly(oracle.encodeSpecial(text));
                assertThat(special(ours, oracle.encode(text))).isFalse();
                assertThat(oracle.decode(ours.encodeSpecial(text), false)).isEqualTo(text);
            }
        }
    }

    @Test
    void aTokenizerOfAnotherFormIsServedByTheNativeOne(@TempDir Path directory) throws IOException {
        ObjectNode json =
                (ObjectNode) ModelFiles.directory(Golden.path("gpt2-tiny-a")).json("tokenizer.json");
        ((ObjectNode) json.path("pre_tokenizer")).put("add_prefix_space", true);
        Files.writeString(directory.resolve("tokenizer.json"), json.toString());
        try (Tokenizer tokenizer = Tokenizer.open(ModelFiles.directory(directory));
                Tokenizer plain = tokenizer("gpt2-tiny-a")) {
            assertThat(tokenizer).isInstanceOf(HuggingFaceTokens.class);
            assertThat(tokenizer.encode("the town")).containsExactly(plain.encode(" the town"));
            assertThat(tokenizer.special(Tokenizer.END_OF_TEXT)).hasValue(511);
        }
    }

    private static boolean special(Tokenizer tokenizer, int[] ids) {
        int end = tokenizer.special(Tokenizer.END_OF_TEXT).orElseThrow();
        for (int id : ids) {
            if (id == end) {
                return true;
            }
        }
        return false;
    }

    private static Tokenizer tokenizer(String model) {
        return Tokenizer.open(ModelFiles.directory(Golden.path(model)));
    }
}
