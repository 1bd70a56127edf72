/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static io.balancedllm.cache.semantic.RedisServer.await;

import io.balancedllm.cache.semantic.redis.RedisTier;
import io.balancedllm.cache.semantic.redis.RedisTierBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/** A real server and caches around it as of several processes. Closing ends the caches, and the server after them. */
final class SharedCaches implements AutoCloseable {
    private final RedisServer server;
    private final List<SemanticCache> caches = new ArrayList<>();

    private SharedCaches(RedisServer server) {
        this.server = server;
    }

    /** Starts a server; without one on this machine the test is skipped. */
    static SharedCaches around(Path folder, String... options) throws IOException {
        return new SharedCaches(RedisServer.start(folder, options));
    }

    RedisServer server() {
        return server;
    }

    static ScriptedEmbedder embedder() {
        return new ScriptedEmbedder().at(0, "q", "q again").at(90, "r").at(180, "s");
    }

    SemanticCache cache() {
        return cache(UnaryOperator.identity(), UnaryOperator.identity());
    }

    SemanticCache cache(UnaryOperator<SemanticCacheBuilder> cached, UnaryOperator<RedisTierBuilder> shared) {
        return cache(cached.apply(SemanticCache.builder(embedder())), shared.apply(RedisTier.builder(server.uri())));
    }

    SemanticCache cache(SemanticCacheBuilder cached, RedisTierBuilder shared) {
        SemanticCache cache =
                cached.executor(Runnable::run).shared(shared.build()).build();
        caches.add(cache);
        return cache;
    }

    /** A cache that follows. */
    SemanticCache following() {
        SemanticCache cache = cache();
        await(() -> shared(cache).state() == SharedTier.State.FOLLOWING);
        return cache;
    }

    static SharedTier.Statistics shared(SemanticCache cache) {
        return cache.statistics().shared().orElseThrow();
    }

    static void awaitEntries(SemanticCache cache, int entries) {
        await(() -> cache.statistics().entries() == entries);
    }

    @Override
    public void close() {
        caches.forEach(SemanticCache::close);
        server.close();
    }
}
