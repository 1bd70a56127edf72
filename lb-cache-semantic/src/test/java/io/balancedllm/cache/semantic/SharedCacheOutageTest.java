/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static io.balancedllm.cache.semantic.Answers.ask;
import static io.balancedllm.cache.semantic.Answers.lookup;
import static io.balancedllm.cache.semantic.Answers.put;
import static io.balancedllm.cache.semantic.Answers.text;
import static io.balancedllm.cache.semantic.RedisServer.await;
import static io.balancedllm.cache.semantic.SharedCaches.awaitEntries;
import static io.balancedllm.cache.semantic.SharedCaches.shared;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.cache.CacheLookup;
import io.balancedllm.completion.CallOptions;
import java.nio.file.Path;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Caches around a real server that is away, hangs, forgets or has no room. */
class SharedCacheOutageTest {
    /** As long as nobody has invalidated everything. */
    private static final String LOG = "balancedllm:log:" + EntryStore.space(SharedCaches.embedder()) + ":0-1";

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
    void withoutAServerTheCacheIsAloneAndLaterTheOthersGetWhatItStored() throws Exception {
        server.kill();
        SemanticCache one = caches.cache();
        put(one, "q", "of q");
        assertThat(text(lookup(one, "q"))).isEqualTo("of q");
        await(() -> !shared(one).trouble().isEmpty());
        assertThat(shared(one).state()).isEqualTo(SharedTier.State.AWAY);
        server.restart();
        SemanticCache other = caches.following();

        awaitEntries(other, 1);
        assertThat(text(lookup(other, "q"))).isEqualTo("of q");
        assertThat(shared(one).trouble()).isEmpty();
    }

    @Test
    void aServerThatIsKilledAndComesBackEmptyTakesNothingFromTheCachesAndGoesOn() throws Exception {
        SemanticCache one = caches.following();
        SemanticCache other = caches.following();
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
        SemanticCache one = caches.following();
        SemanticCache other = caches.following();
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
        SemanticCache one = caches.following();
        SemanticCache other = caches.following();
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
        SemanticCache one = caches.cache();
        for (int i = 0; i < 2_000; i++) {
            put(one, ask("q" + i), CallOptions.builder().tenant("t" + i).build(), "a");
        }

        assertThat(shared(one).waiting()).isEqualTo(1_024);
        assertThat(shared(one).dropped()).isEqualTo(2_000 - 1_024);
    }

    @Test
    void manyInvalidationsThatWaitBecomeOneOfEverything() throws Exception {
        SemanticCache one = caches.following();
        SemanticCache other = caches.following();
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

    /** Among what was cut off may have been an invalidation. */
    @Test
    void aCacheThatMissedSomeOfTheLogForgetsEverything() {
        server.say("ACL", "SETUSER", "guest", "on", ">secret", "~*", "+@all");
        SemanticCache one = caches.following();
        SemanticCache other = caches.cache(UnaryOperator.identity(), tier -> tier.credentials("guest", () -> "secret"));
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
        SemanticCache one = caches.following();
        SemanticCache other = caches.following();
        put(one, "q", "of q");
        awaitEntries(other, 1);
        server.say("FLUSHALL");
        await(() -> server.say("EXISTS", "balancedllm:epoch").equals(":1"));
        put(other, "r", "of r");
        await(() -> text(lookup(one, "r")).equals("of r"));
        SemanticCache late = caches.following();
        awaitEntries(late, 1);

        assertThat(text(lookup(late, "r"))).isEqualTo("of r");
        assertThat(text(lookup(other, "q"))).isEqualTo("of q");
    }

    @Test
    void aKeyOfAnotherKindKeepsTheCacheAloneAndSaysSo() {
        server.say("SET", "balancedllm:epoch", "mine");
        SemanticCache one = caches.cache();
        put(one, "q", "of q");

        await(() -> shared(one).trouble().contains("WRONGTYPE"));
        assertThat(shared(one).state()).isEqualTo(SharedTier.State.AWAY);
        assertThat(text(lookup(one, "q"))).isEqualTo("of q");
        server.say("DEL", "balancedllm:epoch");
        await(() -> shared(one).state() == SharedTier.State.FOLLOWING);
    }

    @Test
    void aServerWithoutRoomKeepsTheEntryInItsProcess() {
        SemanticCache one = caches.following();
        server.say("CONFIG", "SET", "maxmemory", "1");
        put(one, "q", "of q");
        await(() -> shared(one).trouble().contains("OOM"));

        assertThat(text(lookup(one, "q"))).isEqualTo("of q");
        assertThat(shared(one).dropped()).isEqualTo(1);
        server.say("CONFIG", "SET", "maxmemory", "0");
        put(one, "r", "of r");
        await(() -> shared(one).sent() == 1);
    }
}
