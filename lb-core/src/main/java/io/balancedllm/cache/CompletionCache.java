/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import java.util.Collection;
import java.util.concurrent.CompletionStage;

/**
 * Answers to requests that mean the same. It stands behind the exact tier and behind the calls in flight, so it is asked
 * only about requests that neither knows. Thread-safe.
 */
public interface CompletionCache extends AutoCloseable {
    /**
     * Looks for an answer. Returns at once: what takes time happens on threads of the cache.
     *
     * @param key who asks, and what must be equal
     * @param request what is asked
     * @return a hit or a miss; a stage that fails counts as a miss
     */
    CompletionStage<CacheLookup> lookup(CacheKey key, CompletionRequest request);

    /**
     * Keeps an answer, if it is one to be kept: complete, ended by the model itself, without calls of tools. Returns at
     * once and does not throw.
     *
     * @param key the key of the lookup
     * @param miss what the lookup said; it carries the embedding, which so is computed once
     * @param answer the answer
     */
    void store(CacheKey key, CacheLookup.Miss miss, Completion answer);

    /** {@return who shares answers; decides how keys are made} */
    default CacheScope scope() {
        return CacheScope.TENANT;
    }

    /** Forgets everything; what is being generated now is not stored. Does nothing where it is not implemented. */
    default void invalidateAll() {}

    /**
     * Sets whom to tell what was forgotten otherwise than to make room: what keeps the same answers elsewhere, as the exact
     * cache of a balancer does, forgets them too. Set once, before the first lookup. Does nothing where it is not
     * implemented.
     */
    default void onForgotten(Forgetting listener) {}

    /** Ends the threads of the cache and frees what it holds. Idempotent. */
    @Override
    void close();

    /** Who forgets along. Called on any thread; returns at once. */
    interface Forgetting {
        /**
         * These answers were forgotten.
         *
         * @param exactKeys of their requests, as {@link CacheKey#exact()} has them
         */
        void entries(Collection<String> exactKeys);

        /** Everything was forgotten. */
        void all();
    }
}
