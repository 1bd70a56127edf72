/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.CacheScope;
import io.balancedllm.time.RandomSource;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import io.balancedllm.time.WallClock;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** What a builder was told. The cache gets a copy, so a builder can be used again. */
final class SemanticCacheSettings implements Cloneable {
    long maximumBytes = SemanticCache.DEFAULT_MAXIMUM_BYTES;
    int maximumSize = SemanticCache.DEFAULT_MAXIMUM_SIZE;
    double tenantShare = SemanticCache.DEFAULT_TENANT_SHARE;
    Duration timeToLive = SemanticCache.DEFAULT_TIME_TO_LIVE;
    Duration embedTimeout = SemanticCache.DEFAULT_EMBED_TIMEOUT;

    @Nullable
    Double threshold;

    Set<Veto> vetoes = Veto.all();
    CacheScope scope = CacheScope.TENANT;
    Audit audit = Audit.builder().build();

    @Nullable
    SharedTier tier;

    @Nullable
    Executor executor;

    @Nullable
    Scheduler scheduler;

    Ticker ticker = Ticker.system();
    InstantSource clock = WallClock.system();
    RandomGenerator random = RandomSource.system();

    long tenantMaximumBytes() {
        return (long) (maximumBytes * tenantShare);
    }

    SemanticCacheSettings copy() {
        try {
            return (SemanticCacheSettings) clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException(e);
        }
    }
}
