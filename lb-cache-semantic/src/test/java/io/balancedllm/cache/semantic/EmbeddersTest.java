/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.BalancedLlm;
import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import io.balancedllm.testkit.ManualExecutor;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;

class EmbeddersTest {
    private final ScriptedEmbedder scripted =
            new ScriptedEmbedder().at(10, "a").at(20, "b").at(30, "c");

    private static Embedding one(Embedder embedder, String text) {
        return embedder.embed(List.of(text)).toCompletableFuture().join().get(0);
    }

    @Test
    void lettersAloneTellSpellingApart() {
        Embedder letters = Embedders.nGram();

        assertThat(one(letters, "How do I reset my password?").similarity(one(letters, "how do i reset my password")))
                .isGreaterThan(0.99);
        assertThat(one(letters, "How do I reset my password?").similarity(one(letters, "What is the weather like?")))
                .isLessThan(0.3);
        assertThat(one(letters, "x".repeat(10_000)).truncated()).isTrue();
        assertThat(letters.embed(List.of("")).toCompletableFuture()).isCompletedExceptionally();
    }

    @Test
    void aRememberedTextIsNotEmbeddedAgainAndTheLeastRecentlyUsedIsForgotten() {
        Embedder memory = Embedders.memoising(scripted, 2);
        one(memory, "a");
        one(memory, "b");
        one(memory, "a");
        assertThat(scripted.asked).containsExactly("a", "b");

        List<Embedding> all =
                memory.embed(List.of("c", "a", "b")).toCompletableFuture().join();
        assertThat(scripted.asked).containsExactly("a", "b", "c");
        assertThat(all.get(0).similarity(one(scripted, "c"))).isGreaterThan(0.999);
        assertThat(all.get(1).similarity(one(scripted, "a"))).isGreaterThan(0.999);
        assertThat(memory.id()).isEqualTo(scripted.id());
        assertThatThrownBy(() -> Embedders.memoising(scripted, 0)).hasMessageContaining("maximumTexts");
    }

    @Test
    void textsThatWaitTogetherAreComputedTogether() {
        ManualExecutor executor = new ManualExecutor();
        List<Integer> sizes = new ArrayList<>();
        Embedder batching = Embedders.batching(
                new ForwardingEmbedder(scripted) {
                    @Override
                    public CompletionStage<List<Embedding>> embed(List<String> texts) {
                        sizes.add(texts.size());
                        return embedder.embed(texts);
                    }
                },
                executor);
        List<CompletableFuture<List<Embedding>>> asked = new ArrayList<>();
        for (int i = 0; i < 70; i++) {
            asked.add(batching.embed(List.of("abc".substring(i % 3, i % 3 + 1))).toCompletableFuture());
        }
        executor.runAll();

        assertThat(sizes).containsExactly(32, 32, 6);
        for (int i = 0; i < 70; i++) {
            Embedding expected = one(scripted, "abc".substring(i % 3, i % 3 + 1));
            assertThat(asked.get(i).join().get(0).similarity(expected)).isGreaterThan(0.999999);
        }
    }

    @Test
    void aBatchThatFailsFailsThoseInItAndTheNextOneRuns() {
        ManualExecutor executor = new ManualExecutor();
        Embedder batching = Embedders.batching(scripted, executor);
        scripted.failure = new IllegalStateException("no");
        CompletableFuture<List<Embedding>> failing =
                batching.embed(List.of("a")).toCompletableFuture();
        executor.runAll();
        scripted.failure = null;
        CompletableFuture<List<Embedding>> working =
                batching.embed(List.of("a")).toCompletableFuture();
        executor.runAll();

        assertThat(failing).isCompletedExceptionally();
        assertThat(working).isCompleted();
    }

    @Test
    void tooManyTextsThatWaitAreRefused() {
        Embedder batching = Embedders.batching(scripted, new ManualExecutor());
        for (int i = 0; i < Embedders.DEFAULT_BATCH_QUEUE; i++) {
            batching.embed(List.of("a"));
        }

        assertThat(batching.embed(List.of("a")).toCompletableFuture()).isCompletedExceptionally();
    }

    @Test
    void aRemoteEmbedderThatCannotBeReachedFailsItsStage() {
        try (BalancedLlm nobody = BalancedLlm.builder().build()) {
            Embedder remote = Embedders.remote(nobody, "m", 2, 100, 0.9);

            assertThat(remote.embed(List.of("a")).toCompletableFuture()).isCompletedExceptionally();
        }
    }
}
