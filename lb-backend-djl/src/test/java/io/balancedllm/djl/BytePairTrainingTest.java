/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BytePairTrainingTest {
    private static final List<String> TEXTS = List.of(
            "the fox and the owl, the fox's den and the owl's tree",
            "\"The fox!\" said the owl. \"The fox is in the den!\"",
            "the den, the tree, the fox: naïve über 狐");

    @TempDir
    private Path directory;

    @Test
    void anyTextComesBackWhateverItWasLearnedFrom() {
        BytePairTraining.learn(TEXTS, 300, 256, directory);
        try (Tokenizer tokenizer = Tokenizer.open(ModelFiles.directory(directory))) {
            assertThat(tokenizer).isInstanceOf(BytePairTokenizer.class);
            for (JsonNode vector : Golden.vectors("tokenizer-vectors.jsonl")) {
                String text = vector.path("text").asText();
                assertThat(tokenizer.decode(tokenizer.encode(text), false)).isEqualTo(text);
            }
        }
    }

    @Test
    void theTokenizersOfHuggingFaceReadTheFilesAndAgree() {
        BytePairTraining.learn(TEXTS, 300, 256, directory);
        ModelFiles files = ModelFiles.directory(directory);
        try (Tokenizer ours = Tokenizer.open(files);
                Tokenizer theirs = new HuggingFaceTokens(files, files.json("tokenizer.json"))) {
            for (JsonNode vector : Golden.vectors("tokenizer-vectors.jsonl")) {
                String text = vector.path("text").asText();
                assertThat(ours.encodeSpecial(text)).as(text).containsExactly(theirs.encodeSpecial(text));
            }
        }
    }

    @Test
    void vocabularyAndMergesSayTheSameAsTheTokenizerFile() {
        BytePairTraining.learn(TEXTS, 300, 256, directory);
        ModelFiles files = ModelFiles.directory(directory);
        try (Tokenizer one = Tokenizer.open(files);
                Tokenizer other = BytePairFiles.readVocabularyAndMerges(files)) {
            for (String text : TEXTS) {
                assertThat(other.encodeSpecial(text + Tokenizer.END_OF_TEXT))
                        .containsExactly(one.encodeSpecial(text + Tokenizer.END_OF_TEXT));
            }
        }
    }

    @Test
    void whatIsFrequentBecomesOneTokenAndWhatIsSeenOnceDoesNot() {
        int size = BytePairTraining.learn(TEXTS, 10_000, 256, directory);
        try (Tokenizer tokenizer = Tokenizer.open(ModelFiles.directory(directory))) {
            assertThat(tokenizer.encode(" the fox")).hasSize(2);
            assertThat(tokenizer.encode("狐")).hasSize(3);
            assertThat(size).isEqualTo(tokenizer.size()).isLessThan(320);
            assertThat(tokenizer.special(Tokenizer.END_OF_TEXT)).hasValue(size - 1);
        }
    }

    @Test
    void theSameTextsInAnyOrderGiveTheSameFiles(@TempDir Path other) throws IOException {
        List<String> shuffled = new ArrayList<>(TEXTS);
        Collections.shuffle(shuffled, new Random(5));
        BytePairTraining.learn(TEXTS, 290, 256, directory);
        BytePairTraining.learn(shuffled, 290, 256, other);
        try (var files = Files.list(directory)) {
            assertThat(files)
                    .hasSize(5)
                    .allSatisfy(file -> assertThat(file).hasSameTextualContentAs(other.resolve(file.getFileName())));
        }
    }

    @Test
    void aVocabularyWithoutRoomForTheBytesIsRefused() {
        assertThatThrownBy(() -> BytePairTraining.learn(TEXTS, 256, 256, directory))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("257 or more");
    }
}
