/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.Embedder;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.time.InstantSource;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.random.RandomGenerator;

/** Builds a {@link SemanticCache}. Each setter refuses a bad value at once, by name. Not thread-safe. */
public final class SemanticCacheBuilder {
    private final Embedder embedder;
    private final SemanticCacheSettings settings = new SemanticCacheSettings();

    SemanticCacheBuilder(Embedder embedder) {
        if (embedder.dimension() < 1) {
            throw new IllegalArgumentException(
                    "the embedder's dimension must be at least 1, got " + embedder.dimension());
        }
        if (embedder.id().isBlank()) {
            throw new IllegalArgumentException("the embedder's id must not be blank");
        }
        this.embedder = embedder;
    }

    /** Sets the bytes of entries that are kept, above 0. Default {@link SemanticCache#DEFAULT_MAXIMUM_BYTES}. */
    public SemanticCacheBuilder maximumBytes(long bytes) {
        settings.maximumBytes = positive("maximumBytes", bytes);
        return this;
    }

    /** Sets the number of entries that are kept, above 0. Default {@link SemanticCache#DEFAULT_MAXIMUM_SIZE}. */
    public SemanticCacheBuilder maximumSize(int entries) {
        settings.maximumSize = (int) positive("maximumSize", entries);
        return this;
    }

    /**
     * Sets the share of the bytes that one named tenant may fill, above 0 and at most 1. Default
     * {@link SemanticCache#DEFAULT_TENANT_SHARE}.
     */
    public SemanticCacheBuilder tenantShare(double share) {
        if (!(share > 0 && share <= 1)) {
            throw new IllegalArgumentException("tenantShare must be above 0 and at most 1, got " + share);
        }
        settings.tenantShare = share;
        return this;
    }

    /** Sets how long an answer is kept, before jitter. Default {@link SemanticCache#DEFAULT_TIME_TO_LIVE}. */
    public SemanticCacheBuilder timeToLive(Duration timeToLive) {
        settings.timeToLive = positive("timeToLive", timeToLive);
        return this;
    }

    /** Sets how long an embedding may take. Default {@link SemanticCache#DEFAULT_EMBED_TIMEOUT}. */
    public SemanticCacheBuilder embedTimeout(Duration timeout) {
        settings.embedTimeout = positive("embedTimeout", timeout);
        return this;
    }

    /** Sets the similarity from which on texts count as the same, above 0 and at most 1. Default: the embedder's. */
    public SemanticCacheBuilder threshold(double threshold) {
        if (!(threshold > 0 && threshold <= 1)) {
            throw new IllegalArgumentException("threshold must be above 0 and at most 1, got " + threshold);
        }
        settings.threshold = threshold;
        return this;
    }

    /** Sets which differences keep texts apart whatever their similarity. Default: all. */
    public SemanticCacheBuilder vetoes(Set<Veto> vetoes) {
        settings.vetoes = vetoes.isEmpty() ? Set.of() : Set.copyOf(EnumSet.copyOf(vetoes));
        return this;
    }

    /** Sets who shares answers. Default {@link CacheScope#TENANT}. */
    public SemanticCacheBuilder scope(CacheScope scope) {
        settings.scope = scope;
        return this;
    }

    /** Sets how the cache checks itself. Default: as {@link Audit#builder()} says. */
    public SemanticCacheBuilder audit(Audit audit) {
        settings.audit = audit;
        return this;
    }

    /**
     * Sets what shares entries with other processes, for one cache alone; it is started with the cache and closed with it.
     * Default: none.
     */
    public SemanticCacheBuilder shared(SharedTier tier) {
        settings.tier = tier;
        return this;
    }

    /**
     * Sets where lookups run; borrowed. It must be bounded and refuse what is too much with a
     * {@link java.util.concurrent.RejectedExecutionException}. Default: {@link SemanticCache#DEFAULT_THREADS} threads of
     * the cache's own.
     */
    public SemanticCacheBuilder executor(Executor executor) {
        settings.executor = executor;
        return this;
    }

    /** Sets what times embeddings; borrowed. Default: a thread of the cache's own. */
    public SemanticCacheBuilder scheduler(Scheduler scheduler) {
        settings.scheduler = scheduler;
        return this;
    }

    /** Sets the time of day, which tells how long a saved snapshot lay. */
    public SemanticCacheBuilder clock(InstantSource clock) {
        settings.clock = clock;
        return this;
    }

    /** Sets the clock. */
    public SemanticCacheBuilder ticker(Ticker ticker) {
        settings.ticker = ticker;
        return this;
    }

    /** Sets where jitter and samples of the audit are drawn from. */
    public SemanticCacheBuilder random(RandomGenerator random) {
        settings.random = random;
        return this;
    }

    private static long positive(String name, long value) {
        if (value <= 0) {
            throw new IllegalArgumentException(name + " must be above 0, got " + value);
        }
        return value;
    }

    private static Duration positive(String name, Duration value) {
        if (value.isNegative() || value.isZero()) {
            throw new IllegalArgumentException(name + " must be positive, got " + value);
        }
        return value;
    }

    /** {@return the cache} */
    public SemanticCache build() {
        return new SemanticCache(embedder, settings.copy());
    }
}
