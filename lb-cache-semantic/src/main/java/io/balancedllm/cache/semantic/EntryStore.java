/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CompletionCache;
import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.LlmException;
import io.balancedllm.time.Scheduler;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a cache holds, and the ways in and out of it: answers that are stored here, snapshots, what other processes share,
 * and invalidation. An epoch ends with each invalidation of everything; nothing of an earlier one is found in a later.
 */
final class EntryStore {
    private static final Logger LOG = LoggerFactory.getLogger(SemanticCache.class);

    /** Digits that tell embedders apart in a shared tier. */
    private static final int SPACE_DIGITS = 16;

    private final Embedder embedder;
    private final SemanticCacheSettings settings;
    private final Entries entries;
    private final Runnable learnSoon;
    private final AtomicLong epoch = new AtomicLong();
    private final AtomicLong stored = new AtomicLong();
    private final @Nullable SharedTier tier;
    private volatile CompletionCache.@Nullable Forgetting listener;

    /**
     * An empty store.
     *
     * @param learnSoon runs {@link Entries#learn} on another thread, now and then
     */
    EntryStore(Embedder embedder, SemanticCacheSettings settings, Entries entries, Runnable learnSoon) {
        this.embedder = embedder;
        this.settings = settings;
        this.entries = entries;
        this.learnSoon = learnSoon;
        this.tier = settings.tier;
    }

    /** Begins to follow what others share. */
    void follow(SharedTier shared, Scheduler scheduler) {
        shared.start(new Following(), settings.ticker, scheduler);
    }

    /** {@return a short name that embedders have in common when their vectors may be compared} */
    static String space(Embedder embedder) {
        try {
            byte[] name = (embedder.id() + '/' + embedder.dimension()).getBytes(StandardCharsets.UTF_8);
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(name);
            return HexFormat.of().formatHex(digest).substring(0, SPACE_DIGITS);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    void listener(CompletionCache.Forgetting listener) {
        this.listener = listener;
    }

    long epoch() {
        return epoch.get();
    }

    /** What must be equal: the request but for its text, the tenant, the embedder, and the epoch. */
    String partition(String digest, long began) {
        return digest + '/' + embedder.id() + '/' + began;
    }

    /** {@return why it was not stored; empty when it was} */
    String store(CacheKey key, long began, Embedding embedding, Completion answer) {
        if (began != epoch.get()) {
            return "invalidated";
        }
        Optional<StoredAnswer> whole = StoredAnswer.of(answer);
        if (whole.isEmpty()) {
            return "answer";
        }
        Entry entry = new Entry(
                key.exact(),
                partition(key.partition(), began),
                key.text().orElse(""),
                key.tenant().orElse(null),
                key.namespace().orElse(null),
                embedding.vector(),
                whole.get(),
                settings.ticker.nanos(),
                life(key.timeToLive().orElse(settings.timeToLive)));
        if (!entries.put(entry)) {
            return "size";
        }
        counted();
        SharedTier shared = tier;
        if (shared != null) {
            share(shared, entry, began);
        }
        return "";
    }

    private static void share(SharedTier shared, Entry entry, long began) {
        try {
            shared.put(new SharedTier.Item(
                    entry.key,
                    EntryCodec.head(entry),
                    EntryCodec.body(entry),
                    entry.storedNanos,
                    entry.lifeNanos,
                    began));
        } catch (LlmException | IllegalArgumentException e) {
            LOG.warn("an answer cannot be written and is not shared: {}", e.toString());
        }
    }

    private void counted() {
        if (SemanticCache.LEARN_AT.contains(stored.incrementAndGet())) {
            learnSoon.run();
        }
    }

    private long life(Duration timeToLive) {
        double nanos = timeToLive.toSeconds() * 1e9 + timeToLive.toNanosPart();
        return (long) (nanos * (1 - SemanticCache.JITTER * settings.random.nextDouble()));
    }

    /** Takes out what the predicate names, here and elsewhere, and tells how many there were here. */
    int invalidate(Predicate<CachedEntry> predicate) {
        long now = settings.ticker.nanos();
        List<String> keys = entries.removeIf(entry -> predicate.test(new CachedEntry(
                entry.text,
                entry.answer.completion(),
                entry.tenant,
                entry.namespace,
                Duration.ofNanos(Math.max(0, now - entry.storedNanos)))));
        SharedTier shared = tier;
        if (shared != null && !keys.isEmpty()) {
            shared.forget(epoch.get(), keys);
        }
        tell(keys);
        return keys.size();
    }

    private void tell(List<String> keys) {
        CompletionCache.Forgetting told = listener;
        if (told != null && !keys.isEmpty()) {
            told.entries(keys);
        }
    }

    void invalidateAll() {
        long began = forgetHere();
        SharedTier shared = tier;
        if (shared != null) {
            shared.forgetAll(began);
        }
    }

    private long forgetHere() {
        long began = epoch.incrementAndGet();
        entries.clear();
        CompletionCache.Forgetting told = listener;
        if (told != null) {
            told.all();
        }
        return began;
    }

    void save(Path file) throws IOException {
        Snapshot.write(
                file,
                embedder.id(),
                embedder.dimension(),
                settings.clock.millis(),
                settings.ticker.nanos(),
                entries.all());
    }

    int load(Path file) throws IOException {
        Snapshot.Content content = Snapshot.read(file);
        if (!content.embedder().equals(embedder.id())) {
            throw new IOException("its vectors are of " + content.embedder() + ", not of " + embedder.id());
        }
        long sinceMillis = Math.max(0, settings.clock.millis() - content.writtenMillis());
        int loaded = 0;
        for (Snapshot.Saved saved : content.entries()) {
            loaded += load(saved, TimeUnit.MILLISECONDS.toNanos(sinceMillis)) ? 1 : 0;
        }
        return loaded;
    }

    private boolean load(Snapshot.Saved saved, long sinceNanos) {
        long left = saved.lifeNanos() - saved.ageNanos();
        if (left <= sinceNanos || saved.head().embedding().dimension() != embedder.dimension()) {
            return false;
        }
        long storedNanos = settings.ticker.nanos() - saved.ageNanos() - sinceNanos;
        return take(saved.head(), saved.answer(), storedNanos, saved.lifeNanos(), epoch.get());
    }

    private boolean take(EntryCodec.Head head, StoredAnswer answer, long storedNanos, long lifeNanos, long began) {
        boolean taken = entries.put(new Entry(
                head.key(),
                partition(head.partition(), began),
                head.text(),
                head.tenant(),
                head.namespace(),
                head.embedding().vector(),
                answer,
                storedNanos,
                lifeNanos));
        if (taken) {
            counted();
        }
        return taken;
    }

    /** What others share, as it comes in. */
    private final class Following implements SharedTier.Follower {
        @Override
        public String space() {
            return EntryStore.space(embedder);
        }

        @Override
        public long epoch() {
            return epoch.get();
        }

        @Override
        public boolean put(SharedTier.Item item) {
            try {
                EntryCodec.Head head = EntryCodec.head(item.head(), embedder.dimension());
                if (!head.key().equals(item.id())) {
                    return false;
                }
                StoredAnswer answer = EntryCodec.body(item.body(), item.id());
                // of an epoch that has ended meanwhile it is found by nobody, so it may be checked without a lock
                if (item.epoch() == epoch.get()) {
                    take(head, answer, item.storedNanos(), item.lifeNanos(), item.epoch());
                }
                return true;
            } catch (IOException e) {
                LOG.debug("a shared entry is ignored", e);
                return false;
            }
        }

        @Override
        public void forget(List<String> ids) {
            entries.removeKeys(ids);
            tell(ids);
        }

        @Override
        public long forgetAll() {
            return forgetHere();
        }
    }
}
