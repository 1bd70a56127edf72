/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.Embedder;
import io.balancedllm.completion.Completion;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * Answers are the same when they are equal but for case, blanks and punctuation, or when their embeddings are near and, if
 * they are short, no number and no negation tells them apart.
 */
final class AnswersAlike implements AnswerComparator {
    /** How near the embeddings of two answers must be. */
    static final double SIMILARITY = 0.85;
    /** Longer answers say the same with other numbers in them, as steps and examples. */
    static final int SHORT_CHARS = 200;

    private static final Set<Veto> SHORT_VETOES = EnumSet.of(Veto.NUMBERS, Veto.NEGATION);

    private final Embedder embedder;

    AnswersAlike(Embedder embedder) {
        this.embedder = embedder;
    }

    @Override
    public CompletionStage<Boolean> same(Completion cached, Completion fresh) {
        String one = cached.text();
        String other = fresh.text();
        if (normalised(one).equals(normalised(other))) {
            return CompletableFuture.completedStage(true);
        }
        if (one.length() <= SHORT_CHARS
                && other.length() <= SHORT_CHARS
                && Veto.between(one, other, SHORT_VETOES).isPresent()) {
            return CompletableFuture.completedStage(false);
        }
        return embedder.embed(List.of(one, other)).thenApply(both -> both.get(0).similarity(both.get(1)) >= SIMILARITY);
    }

    private static String normalised(String text) {
        return text.toLowerCase(Locale.ROOT).replaceAll("[^\\p{L}\\p{N}]+", " ").strip();
    }
}
