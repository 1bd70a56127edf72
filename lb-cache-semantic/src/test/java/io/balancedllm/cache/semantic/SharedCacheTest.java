/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static io.balancedllm.cache.semantic.Answers.answer;
import static io.balancedllm.cache.semantic.Answers.ask;
import static io.balancedllm.cache.semantic.Answers.key;
import static io.balancedllm.cache.semantic.Answers.lookup;
import static io.balancedllm.cache.semantic.Answers.put;
import static io.balancedllm.cache.semantic.Answers.text;
import static io.balancedllm.cache.semantic.RedisServer.await;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.CompletionCache;
import io.balancedllm.cache.semantic.redis.RedisTier;
import io.balancedllm.cache.semantic.redis.RedisTierBuilder;
import io.balancedllm.completion.CallOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
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
    private static final String LOG = "balancedllm:log:" + EntryStore.space(embedder()) + ":0-1";

    private final List<SemanticCache> caches = new ArrayList<>();
    private final CallOptions alice = CallOptions.builder().tenant("alice").build();
    private final CallOptions bob = CallOptions.builder().tenant("bob").build();

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    @SuppressWarnings("NullAway.Init")
    private RedisServer server;

    @BeforeEach
    void start() throws Exception {
        server = RedisServer.start(folder);
    }

    @AfterEach
    void close() {
        caches.forEach(SemanticCache::close);
        server.close();
    }

    private static ScriptedEmbedder embedder() {
        return new ScriptedEmbedder().at(0, "q", "q again").at(90, "r").at(180, "s");
    }

    private SemanticCache cache() {
        return cache(UnaryOperator.identity(), UnaryOperator.identity());
    }

    private SemanticCache cache(UnaryOperator<SemanticCacheBuilder> cached, UnaryOperator<RedisTierBuilder> shared) {
        SemanticCache cache = cached.apply(SemanticCache.builder(embedder())
                        .executor(Runnable::run)
                        .shared(shared.apply(RedisTier.builder(server.uri())).build()))
                .build();
        caches.add(cache);
        return cache;
    }

    /** A cache that follows. */
    private SemanticCache following() {
        SemanticCache cache = cache();
        await(() -> shared(cache).state() == SharedTier.State.FOLLOWING);
        return cache;
    }

    private static SharedTier.Statistics shared(SemanticCache cache) {
        return cache.statistics().shared().orElseThrow();
    }

    private static void awaitEntries(SemanticCache cache, int entries) {
        await(() -> cache.statistics().entries() == entries);
    }

    @Test
    void whatOneStoresAnswersInTheOthersAndInThoseThatComeLater() {
        SemanticCache one = following();
        SemanticCache other = following();
        put(one, "q", "of q");
        awaitEntries(other, 1);
        SemanticCache late = following();
        awaitEntries(late, 1);

        assertThat(text(lookup(other, "q again"))).isEqualTo("of q");
        assertThat(text(lookup(late, "q"))).isEqualTo("of q");
        assertThat(lookup(late, "r")).isInstanceOf(CacheLookup.Miss.class);
        await(() -> shared(one).sent() == 1 && shared(late).received() == 1);
        assertThat(shared(one).received()).isZero();
    }

    @Test
    void noTenantIsGivenWhatAnotherStored() {
        SemanticCache one = following();
        SemanticCache other = following();
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
        SemanticCache one = following();
        SemanticCache global = cache(builder -> builder.scope(CacheScope.GLOBAL), UnaryOperator.identity());
        SemanticCache letters = SemanticCache.builder(Embedders.nGram())
                .executor(Runnable::run)
                .shared(RedisTier.builder(server.uri()).build())
                .build();
        caches.add(letters);
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
        SemanticCache one = following();
        SemanticCache other = following();
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
        SemanticCache late = following();
        awaitEntries(late, 1);
        assertThat(lookup(late, "q")).isInstanceOf(CacheLookup.Miss.class);
    }

    @Test
    void whenOneForgetsEverythingAllDoAndNothingBeforeComesBack() {
        SemanticCache one = following();
        SemanticCache other = following();
        Recorded told = new Recorded();
        other.onForgotten(told);
        put(one, "q", "old");
        awaitEntries(other, 1);
        CacheLookup.Miss asked = (CacheLookup.Miss) lookup(other, "s");

        one.invalidateAll();
        put(one, "r", "new");
        await(() -> text(lookup(other, "r")).equals("new"));
        other.store(key(ask("s"), CallOptions.DEFAULT), asked, answer("stale"));
        SemanticCache late = following();
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
    void withoutAServerTheCacheIsAloneAndLaterTheOthersGetWhatItStored() throws Exception {
        server.kill();
        SemanticCache one = cache();
        put(one, "q", "of q");
        assertThat(text(lookup(one, "q"))).isEqualTo("of q");
        await(() -> !shared(one).trouble().isEmpty());
        assertThat(shared(one).state()).isEqualTo(SharedTier.State.AWAY);
        server.restart();
        SemanticCache other = following();

        awaitEntries(other, 1);
        assertThat(text(lookup(other, "q"))).isEqualTo("of q");
        assertThat(shared(one).trouble()).isEmpty();
    }

    @Test
    void aServerThatIsKilledAndComesBackEmptyTakesNothingFromTheCachesAndGoesOn() throws Exception {
        SemanticCache one = following();
        SemanticCache other = following();
        put(one, "q", "of q");
        awaitEntries(other, 1);
        server.kill();
        await(() ->
                shared(one).state() == SharedTier.State.AWAY && shared(other).state() == SharedTier.State.AWAY);
        put(one, "r", "stored meanwhile");
        assertThat(text(lookup(other, "q"))).isEqualTo("of q");
        server.restart();
        await(() -> text(lookup(other, "r")).equals("stored meanwhile"));
        put(other, "s", "after");

        await(() -> text(lookup(one, "s")).equals("after"));
        assertThat(text(lookup(other, "q"))).isEqualTo("of q");
        assertThat(shared(other).connections()).isGreaterThan(1);
        assertThat(shared(other).flushes()).isZero();
    }

    /** A server that forgets cannot undo an invalidation: who knows of it says so again. */
    @Test
    void anInvalidationMadeWhileTheServerWasAwayReachesTheOthers() throws Exception {
        SemanticCache one = following();
        SemanticCache other = following();
        put(one, "q", "old price");
        put(one, "r", "of r");
        awaitEntries(other, 2);
        server.kill();
        await(() -> shared(one).state() == SharedTier.State.AWAY);
        one.invalidate(entry -> entry.answer().text().contains("price"));
        server.restart();
        awaitEntries(other, 1);
        server.kill();
        one.invalidateAll();
        put(one, "s", "new");
        server.restart();

        await(() -> text(lookup(other, "s")).equals("new"));
        assertThat(lookup(other, "r")).isInstanceOf(CacheLookup.Miss.class);
        assertThat(text(lookup(one, "s"))).isEqualTo("new");
    }

    @Test
    void aServerThatAnswersNothingAnyMoreHoldsNobodyUpAndIsCaughtUpWithLater() {
        SemanticCache one = following();
        SemanticCache other = following();
        put(one, "q", "of q");
        awaitEntries(other, 1);
        server.freeze();
        put(one, "r", "of r");

        assertThat(text(lookup(one, "r"))).isEqualTo("of r");
        assertThat(text(lookup(other, "q"))).isEqualTo("of q");
        await(() -> shared(one).state() == SharedTier.State.AWAY);
        put(one, "s", "of s");
        one.invalidate(entry -> entry.text().equals("q"));
        server.thaw();

        await(() -> text(lookup(other, "r")).equals("of r")
                && text(lookup(other, "s")).equals("of s"));
        await(() -> lookup(other, "q") instanceof CacheLookup.Miss);
    }

    @Test
    void whatWaitsForTheServerIsBoundedAndCounted() {
        server.kill();
        SemanticCache one = cache();
        for (int i = 0; i < 2_000; i++) {
            put(one, ask("q" + i), CallOptions.builder().tenant("t" + i).build(), "a");
        }

        assertThat(shared(one).waiting()).isEqualTo(1_024);
        assertThat(shared(one).dropped()).isEqualTo(2_000 - 1_024);
    }

    @Test
    void manyInvalidationsThatWaitBecomeOneOfEverything() throws Exception {
        SemanticCache one = following();
        SemanticCache other = following();
        put(one, "r", "of r");
        awaitEntries(other, 1);
        server.kill();
        for (int i = 0; i < 1_100; i++) {
            put(one, "q", "again");
            one.invalidate(entry -> entry.text().equals("q"));
        }
        server.restart();

        awaitEntries(other, 0);
        assertThat(shared(other).flushes()).isEqualTo(1);
    }

    @Test
    void theLogIsTrimmed() {
        SemanticCache one = cache(UnaryOperator.identity(), tier -> tier.maximumEntries(1_000));
        for (int i = 0; i < 2_500; i++) {
            put(one, ask("q" + i), CallOptions.builder().tenant("t" + i).build(), "a");
            if (i % 500 == 0) {
                await(() -> shared(one).waiting() == 0);
            }
        }
        await(() -> shared(one).sent() == 2_500);

        assertThat(Integer.parseInt(server.say("XLEN", LOG).substring(1))).isBetween(1_000, 1_200);
    }

    /** Among what was cut off may have been an invalidation. */
    @Test
    void aCacheThatMissedSomeOfTheLogForgetsEverything() {
        server.say("ACL", "SETUSER", "guest", "on", ">secret", "~*", "+@all");
        SemanticCache one = following();
        SemanticCache other = cache(UnaryOperator.identity(), tier -> tier.credentials("guest", () -> "secret"));
        put(one, "q", "of q");
        awaitEntries(other, 1);
        server.say("ACL", "DELUSER", "guest");
        await(() -> shared(other).state() == SharedTier.State.AWAY);
        put(one, "r", "of r");
        one.invalidate(entry -> entry.text().equals("q"));
        put(one, "s", "of s");
        await(() -> shared(one).sent() == 4);
        assertThat(server.say("XTRIM", LOG, "MAXLEN", "1")).isEqualTo(":3");
        assertThat(text(lookup(other, "q"))).isEqualTo("of q");
        server.say("ACL", "SETUSER", "guest", "on", ">secret", "~*", "+@all");

        await(() -> text(lookup(other, "s")).equals("of s"));
        assertThat(lookup(other, "q")).isInstanceOf(CacheLookup.Miss.class);
        assertThat(shared(other).flushes()).isEqualTo(1);
    }

    @Test
    void aServerThatIsEmptiedUnderTheCachesLosesThemNothing() {
        SemanticCache one = following();
        SemanticCache other = following();
        put(one, "q", "of q");
        awaitEntries(other, 1);
        server.say("FLUSHALL");
        await(() -> server.say("EXISTS", "balancedllm:epoch").equals(":1"));
        put(other, "r", "of r");
        await(() -> text(lookup(one, "r")).equals("of r"));
        SemanticCache late = following();
        awaitEntries(late, 1);

        assertThat(text(lookup(late, "r"))).isEqualTo("of r");
        assertThat(text(lookup(other, "q"))).isEqualTo("of q");
    }

    @Test
    void recordsOfOthersAndOfLaterVersionsAreIgnoredAndCounted() {
        SemanticCache one = following();
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
        SemanticCache other = following();
        put(one, "r", "of r");

        awaitEntries(other, 2);
        assertThat(shared(other).ignored()).isEqualTo(6);
        await(() -> shared(one).ignored() >= 5); // one of them had no answer when it came
    }

    @Test
    void anAnswerUnderAnotherEntrysNameIsIgnored() {
        SemanticCache one = following();
        put(one, ask("q"), alice, "of alice");
        put(one, ask("q"), bob, "of bob");
        await(() -> shared(one).sent() == 2);
        String ofAlice = "balancedllm:body:0-1:" + key(ask("q"), alice).exact();
        String ofBob = "balancedllm:body:0-1:" + key(ask("q"), bob).exact();
        assertThat(server.say("COPY", ofAlice, ofBob, "REPLACE")).isEqualTo(":1");
        SemanticCache other = following();
        awaitEntries(other, 1);

        assertThat(text(lookup(other, ask("q"), alice))).isEqualTo("of alice");
        await(() -> shared(other).ignored() == 1);
        assertThat(lookup(other, ask("q"), bob)).isInstanceOf(CacheLookup.Miss.class);
    }

    @Test
    void aKeyOfAnotherKindKeepsTheCacheAloneAndSaysSo() {
        server.say("SET", "balancedllm:epoch", "mine");
        SemanticCache one = cache();
        put(one, "q", "of q");

        await(() -> shared(one).trouble().contains("WRONGTYPE"));
        assertThat(shared(one).state()).isEqualTo(SharedTier.State.AWAY);
        assertThat(text(lookup(one, "q"))).isEqualTo("of q");
        server.say("DEL", "balancedllm:epoch");
        await(() -> shared(one).state() == SharedTier.State.FOLLOWING);
    }

    @Test
    void anAnswerThatHasGoneFromTheServerIsNoEntryOfThoseThatComeLater() {
        SemanticCache one = following();
        put(one, "q", "of q");
        await(() -> shared(one).sent() == 1);
        server.say(
                "DEL",
                "balancedllm:body:0-1:" + key(ask("q"), CallOptions.DEFAULT).exact());
        SemanticCache late = following();
        await(() -> shared(late).absent() == 1);

        assertThat(lookup(late, "q")).isInstanceOf(CacheLookup.Miss.class);
    }

    @Test
    void anEntryIsAsOldEverywhereAsWhereItWasStored() {
        SemanticCache one = cache(cache -> cache.timeToLive(Duration.ofMinutes(10)), UnaryOperator.identity());
        put(one, "q", "of q");
        await(() -> shared(one).sent() == 1);
        String body =
                "balancedllm:body:0-1:" + key(ask("q"), CallOptions.DEFAULT).exact();
        long left = Long.parseLong(server.say("PTTL", body).substring(1));
        SemanticCache late = following();
        awaitEntries(late, 1);

        assertThat(Duration.ofMillis(left)).isBetween(Duration.ofMinutes(8), Duration.ofMinutes(10));
        assertThat(((CacheLookup.Hit) lookup(late, "q")).outcome().age())
                .isBetween(Duration.ZERO, Duration.ofMinutes(1));
    }

    @Test
    void aServerWithoutRoomKeepsTheEntryInItsProcess() {
        SemanticCache one = following();
        server.say("CONFIG", "SET", "maxmemory", "1");
        put(one, "q", "of q");
        await(() -> shared(one).trouble().contains("OOM"));

        assertThat(text(lookup(one, "q"))).isEqualTo("of q");
        assertThat(shared(one).dropped()).isEqualTo(1);
        server.say("CONFIG", "SET", "maxmemory", "0");
        put(one, "r", "of r");
        await(() -> shared(one).sent() == 1);
    }

    @Test
    void closingEndsAllThreads() {
        SemanticCache one = following();
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
