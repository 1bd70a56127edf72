/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static io.balancedllm.cache.semantic.Answers.answer;
import static io.balancedllm.cache.semantic.Answers.ask;
import static io.balancedllm.cache.semantic.Answers.key;
import static io.balancedllm.cache.semantic.Answers.lookup;
import static io.balancedllm.cache.semantic.Answers.put;
import static io.balancedllm.cache.semantic.Answers.text;
import static io.balancedllm.cache.semantic.RedisServer.await;
import static io.balancedllm.cache.semantic.SharedCaches.awaitEntries;
import static io.balancedllm.cache.semantic.SharedCaches.shared;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.CompletionCache;
import io.balancedllm.cache.semantic.redis.RedisTier;
import io.balancedllm.completion.CallOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Caches as of several processes, around a real server. */
class SharedCacheTest {
    /** As long as nobody has invalidated everything. */
    private static final String LOG = "balancedllm:log:" + EntryStore.space(SharedCaches.embedder()) + ":0-1";

    private final CallOptions alice = CallOptions.builder().tenant("alice").build();
    private final CallOptions bob = CallOptions.builder().tenant("bob").build();

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    @SuppressWarnings("NullAway.Init")
    private SharedCaches caches;

    @SuppressWarnings("NullAway.Init")
    private RedisServer server;

    @BeforeEach
    void start() throws Exception {
        caches = SharedCaches.around(folder);
        server = caches.server();
    }

    @AfterEach
    void close() {
        caches.close();
    }

    @Test
    void whatOneStoresAnswersInTheOthersAndInThoseThatComeLater() {
        SemanticCache one = caches.following();
        SemanticCache other = caches.following();
        put(one, "q", "of q");
        awaitEntries(other, 1);
        SemanticCache late = caches.following();
        awaitEntries(late, 1);

        assertThat(text(lookup(other, "q again"))).isEqualTo("of q");
        assertThat(text(lookup(late, "q"))).isEqualTo("of q");
        assertThat(lookup(late, "r")).isInstanceOf(CacheLookup.Miss.class);
        await(() -> shared(one).sent() == 1 && shared(late).received() == 1);
        assertThat(shared(one).received()).isZero();
    }

    @Test
    void noTenantIsGivenWhatAnotherStored() {
        SemanticCache one = caches.following();
        SemanticCache other = caches.following();
        put(one, ask("q"), alice, "of alice");
        put(one, ask("q"), bob, "of bob");
        put(one, ask("r"), bob, "of bob, too");
        awaitEntries(other, 3);

        assertThat(text(lookup(other, ask("q again"), alice))).isEqualTo("of alice");
        assertThat(text(lookup(other, ask("q again"), bob))).isEqualTo("of bob");
        assertThat(lookup(other, ask("r"), alice)).isInstanceOf(CacheLookup.Miss.class);
        assertThat(lookup(other, ask("r"), CallOptions.DEFAULT)).isInstanceOf(CacheLookup.Miss.class);
    }

    @Test
    void aCacheOfAnotherScopeOrEmbedderIsGivenNothing() {
        SemanticCache one = caches.following();
        SemanticCache global = caches.cache(builder -> builder.scope(CacheScope.GLOBAL), UnaryOperator.identity());
        SemanticCache letters = caches.cache(SemanticCache.builder(Embedders.nGram()), RedisTier.builder(server.uri()));
        put(one, "q", "of q");
        awaitEntries(global, 1);
        await(() -> shared(letters).state() == SharedTier.State.FOLLOWING);

        assertThat(global.lookup(CacheKey.of(ask("q"), CallOptions.DEFAULT, CacheScope.GLOBAL), ask("q"))
                        .toCompletableFuture()
                        .join())
                .isInstanceOf(CacheLookup.Miss.class);
        assertThat(letters.statistics().entries()).isZero();
    }

    @Test
    void whatOneInvalidatesTheOthersForget() {
        SemanticCache one = caches.following();
        SemanticCache other = caches.following();
        Recorded told = new Recorded();
        other.onForgotten(told);
        put(one, "q", "old price");
        put(one, "r", "of r");
        awaitEntries(other, 2);

        assertThat(one.invalidate(entry -> entry.answer().text().contains("price")))
                .isEqualTo(1);
        awaitEntries(other, 1);
        assertThat(text(lookup(other, "r"))).isEqualTo("of r");
        await(() -> !told.keys.isEmpty());
        assertThat(told.keys).containsExactly(key(ask("q"), CallOptions.DEFAULT).exact());
        SemanticCache late = caches.following();
        awaitEntries(late, 1);
        assertThat(lookup(late, "q")).isInstanceOf(CacheLookup.Miss.class);
    }

    @Test
    void whenOneForgetsEverythingAllDoAndNothingBeforeComesBack() {
        SemanticCache one = caches.following();
        SemanticCache other = caches.following();
        Recorded told = new Recorded();
        other.onForgotten(told);
        put(one, "q", "old");
        awaitEntries(other, 1);
        CacheLookup.Miss asked = (CacheLookup.Miss) lookup(other, "s");

        one.invalidateAll();
        put(one, "r", "new");
        await(() -> text(lookup(other, "r")).equals("new"));
        other.store(key(ask("s"), CallOptions.DEFAULT), asked, answer("stale"));
        SemanticCache late = caches.following();
        awaitEntries(late, 1);

        assertThat(lookup(other, "q")).isInstanceOf(CacheLookup.Miss.class);
        assertThat(lookup(other, "s")).isInstanceOf(CacheLookup.Miss.class);
        assertThat(lookup(late, "q")).isInstanceOf(CacheLookup.Miss.class);
        assertThat(text(lookup(one, "r"))).isEqualTo("new");
        assertThat(told.all).hasSize(1);
        assertThat(shared(other).flushes()).isEqualTo(1);
        assertThat(shared(one).flushes()).isZero();
    }

    @Test
    void theLogIsTrimmed() {
        SemanticCache one = caches.cache(UnaryOperator.identity(), tier -> tier.maximumEntries(1_000));
        for (int i = 0; i < 2_500; i++) {
            put(one, ask("q" + i), CallOptions.builder().tenant("t" + i).build(), "a");
            if (i % 500 == 0) {
                await(() -> shared(one).waiting() == 0);
            }
        }
        await(() -> shared(one).sent() == 2_500);

        assertThat(Integer.parseInt(server.say("XLEN", LOG).substring(1))).isBetween(1_000, 1_200);
    }

    @Test
    void recordsOfOthersAndOfLaterVersionsAreIgnoredAndCounted() {
        SemanticCache one = caches.following();
        put(one, "q", "of q");
        await(() -> shared(one).sent() == 1);
        server.say("XADD", LOG, "*", "some", "thing");
        server.say("XADD", LOG, "*", "version", "2", "by", "x", "put", "y", "age", "0", "life", "9999999", "head", "z");
        server.say("XADD", LOG, "*", "version", "1", "by", "x", "put", "y", "age", "0", "life", "9999999", "head", "z");
        server.say("SET", "balancedllm:body:0-1:y", "no answer");
        server.say("XADD", LOG, "*", "version", "1", "by", "x", "put", "y", "age", "0", "life", "9999999", "head", "z");
        server.say("XADD", LOG, "*", "version", "1", "by", "x", "put", "y", "age", "-1", "life", "x", "head", "z");
        String ages = Long.toString(Long.MAX_VALUE);
        server.say("XADD", LOG, "*", "version", "1", "by", "x", "put", "y", "age", ages, "life", ages, "head", "z");
        SemanticCache other = caches.following();
        put(one, "r", "of r");

        awaitEntries(other, 2);
        assertThat(shared(other).ignored()).isEqualTo(6);
        await(() -> shared(one).ignored() >= 5); // one of them had no answer when it came
    }

    @Test
    void anAnswerUnderAnotherEntrysNameIsIgnored() {
        SemanticCache one = caches.following();
        put(one, ask("q"), alice, "of alice");
        put(one, ask("q"), bob, "of bob");
        await(() -> shared(one).sent() == 2);
        String ofAlice = "balancedllm:body:0-1:" + key(ask("q"), alice).exact();
        String ofBob = "balancedllm:body:0-1:" + key(ask("q"), bob).exact();
        assertThat(server.say("COPY", ofAlice, ofBob, "REPLACE")).isEqualTo(":1");
        SemanticCache other = caches.following();
        awaitEntries(other, 1);

        assertThat(text(lookup(other, ask("q"), alice))).isEqualTo("of alice");
        await(() -> shared(other).ignored() == 1);
        assertThat(lookup(other, ask("q"), bob)).isInstanceOf(CacheLookup.Miss.class);
    }

    @Test
    void anAnswerThatHasGoneFromTheServerIsNoEntryOfThoseThatComeLater() {
        SemanticCache one = caches.following();
        put(one, "q", "of q");
        await(() -> shared(one).sent() == 1);
        server.say(
                "DEL",
                "balancedllm:body:0-1:" + key(ask("q"), CallOptions.DEFAULT).exact());
        SemanticCache late = caches.following();
        await(() -> shared(late).absent() == 1);

        assertThat(lookup(late, "q")).isInstanceOf(CacheLookup.Miss.class);
    }

    @Test
    void anEntryIsAsOldEverywhereAsWhereItWasStored() {
        SemanticCache one = caches.cache(cache -> cache.timeToLive(Duration.ofMinutes(10)), UnaryOperator.identity());
        put(one, "q", "of q");
        await(() -> shared(one).sent() == 1);
        String body =
                "balancedllm:body:0-1:" + key(ask("q"), CallOptions.DEFAULT).exact();
        long left = Long.parseLong(server.say("PTTL", body).substring(1));
        SemanticCache late = caches.following();
        awaitEntries(late, 1);

        assertThat(Duration.ofMillis(left)).isBetween(Duration.ofMinutes(8), Duration.ofMinutes(10));
        assertThat(((CacheLookup.Hit) lookup(late, "q")).outcome().age())
                .isBetween(Duration.ZERO, Duration.ofMinutes(1));
    }

    @Test
    void closingEndsAllThreads() {
        SemanticCache one = caches.following();
        assertThat(threads()).isNotEmpty();
        one.close();

        await(() -> threads().isEmpty());
        assertThat(shared(one).state()).isEqualTo(SharedTier.State.CLOSED);
    }

    private static List<String> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.startsWith("lettuce") || name.startsWith("semantic-cache-redis"))
                .toList();
    }

    /** Who was told what was forgotten. */
    private static final class Recorded implements CompletionCache.Forgetting {
        private final ConcurrentLinkedQueue<String> keys = new ConcurrentLinkedQueue<>();
        private final ConcurrentLinkedQueue<String> all = new ConcurrentLinkedQueue<>();

        @Override
        public void entries(Collection<String> exactKeys) {
            keys.addAll(exactKeys);
        }

        @Override
        public void all() {
            all.add("all");
        }
    }
}
