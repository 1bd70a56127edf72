/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CompletionCache;
import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A cache that looks up by meaning, whose lookups end when the test says, and which keeps what it was given. */
final class ScriptedCache implements CompletionCache {
    /** Lookups that have not ended, the oldest first. */
    final Deque<CompletableFuture<CacheLookup>> lookups = new ArrayDeque<>();

    final List<Completion> stored = new ArrayList<>();
    int asked;
    int closes;
    int invalidations;
    private @Nullable RuntimeException broken;
    private @Nullable Forgetting listener;

    /** A cache whose every method throws from now on. */
    ScriptedCache breakDown() {
        broken = new IllegalStateException("broken");
        return this;
    }

    private void check() {
        if (broken != null) {
            throw broken;
        }
    }

    @Override
    public CompletionStage<CacheLookup> lookup(CacheKey key, CompletionRequest request) {
        asked++;
        check();
        CompletableFuture<CacheLookup> lookup = new CompletableFuture<>();
        lookups.add(lookup);
        return lookup;
    }

    @Override
    public void store(CacheKey key, CacheLookup.Miss miss, Completion answer) {
        stored.add(answer);
        check();
    }

    void miss() {
        lookups.remove().complete(new CacheLookup.Miss(new CacheOutcome.Miss(), null, 0));
    }

    void veto() {
        lookups.remove().complete(new CacheLookup.Miss(new CacheOutcome.Veto("numbers", 0.97), null, 0));
    }

    void hit(Completion answer, @Nullable Consumer<Completion> audit) {
        lookups.remove()
                .complete(new CacheLookup.Hit(
                        StoredAnswer.of(answer).orElseThrow(),
                        new CacheOutcome.Semantic(0.97, Duration.ofSeconds(5), "something alike"),
                        audit));
    }

    @Override
    public void invalidateAll() {
        invalidations++;
    }

    @Override
    public void onForgotten(Forgetting listener) {
        this.listener = listener;
    }

    void forgets(String exactKey) {
        Objects.requireNonNull(listener, "a listener").entries(List.of(exactKey));
    }

    void forgetsAll() {
        Objects.requireNonNull(listener, "a listener").all();
    }

    @Override
    public void close() {
        closes++;
        check();
    }
}
