/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.Completion;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What a {@link CompletionCache} said. Immutable. */
public sealed interface CacheLookup {
    /** {@return the outcome as the call's record tells it} */
    CacheOutcome outcome();

    /**
     * An answer.
     *
     * @param answer the stored answer
     * @param outcome how near it is
     * @param auditOrNull what to call with a fresh answer when the cache wants this hit checked; null for most hits
     */
    record Hit(
            StoredAnswer answer,
            CacheOutcome.Semantic outcome,
            @Nullable Consumer<Completion> auditOrNull) implements CacheLookup {
        /**
         * {@return what wants a fresh answer to the same request} Whoever asked then sends the request to a backend as
         * well, off the caller's path, and hands over the answer; when that fails, nothing is to be done.
         */
        public Optional<Consumer<Completion>> audit() {
            return Optional.ofNullable(auditOrNull);
        }
    }

    /**
     * No answer.
     *
     * @param outcome a miss, a veto or a bypass
     * @param embeddingOrNull the embedding of the text where it was computed, for the store
     * @param epoch when the lookup began, as the cache counts its invalidations: an answer to a question asked before an
     *     invalidation is not stored after it
     */
    record Miss(CacheOutcome outcome, @Nullable Embedding embeddingOrNull, long epoch) implements CacheLookup {
        /** {@return the embedding of the text, where it was computed} */
        public Optional<Embedding> embedding() {
            return Optional.ofNullable(embeddingOrNull);
        }
    }
}
