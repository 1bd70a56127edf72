/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheScope;
import io.balancedllm.cache.CompletionCache;
import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A cache that also answers requests whose last user text says the same in other words. Thread-safe.
 *
 * <p>A hit needs all of this: the same request but for its last user text, the same tenant (unless the scope is global), a
 * similarity of at least the threshold, and no {@link Veto} between the two texts. Of the entries for which all holds the
 * nearest is taken. A text longer than the embedder sees is neither looked up nor stored.
 *
 * <p>Strictly the least recently used entry goes first, by bytes, over all and for each tenant. An embedder that fails or
 * is late makes a miss. All is lost when the process ends unless it is saved or shared ({@link SharedTier}).
 *
 * <p>Not worth it where requests hardly repeat, as in open chat, where 4 to 8 % do; worth it for support, search and
 * retrieval over fixed material. Measure it on your own questions with {@code lb-examples/run cache-report}.
 */
public final class SemanticCache implements CompletionCache {
    /** Bytes of entries that are kept, the index included: 256 MiB. */
    public static final long DEFAULT_MAXIMUM_BYTES = 256L << 20;
    /** Entries that are kept. */
    public static final int DEFAULT_MAXIMUM_SIZE = 100_000;
    /** Share of the bytes that one tenant may fill. */
    public static final double DEFAULT_TENANT_SHARE = 0.5;
    /** How long an answer is kept, before jitter, unless its call says otherwise. */
    public static final Duration DEFAULT_TIME_TO_LIVE = Duration.ofHours(1);
    /** How long an embedding may take. */
    public static final Duration DEFAULT_EMBED_TIMEOUT = Duration.ofMillis(500);
    /** Threads that look up, where no executor was given. */
    public static final int DEFAULT_THREADS = 2;
    /** Lookups that wait for a thread, where no executor was given; one more is a miss. */
    public static final int DEFAULT_QUEUE_LIMIT = 256;

    /** Longer texts are not embedded: no embedder sees all of them. */
    static final int MAX_TEXT_CHARS = 8_192;
    /** Lives are shortened by up to this share, so that what was stored together does not expire together. */
    static final double JITTER = 0.1;
    /** At so many entries a basis for the index is learned. */
    static final Set<Long> LEARN_AT = Set.of(512L, 4_096L);

    private static final Logger LOG = LoggerFactory.getLogger(SemanticCache.class);

    private final Embedder embedder;
    private final SemanticCacheSettings settings;
    private final Workers workers;
    private final Entries entries;
    private final EntryStore store;
    private final AuditBook audits;
    private final AnswerComparator comparator;
    private final Counters counters = new Counters();
    /** As many as the executor takes and runs. */
    private final ConcurrentHashMap<Object, CompletableFuture<CacheLookup>> pending = new ConcurrentHashMap<>();

    private volatile boolean closed;

    SemanticCache(Embedder embedder, SemanticCacheSettings settings) {
        this.embedder = embedder;
        this.settings = settings;
        this.workers = new Workers(settings.executor, settings.scheduler);
        this.entries = new Entries(
                embedder.dimension(), settings.maximumBytes, settings.maximumSize, settings.tenantMaximumBytes());
        this.store = new EntryStore(embedder, settings, entries, this::learnSoon);
        double threshold = settings.threshold == null ? embedder.threshold() : settings.threshold;
        this.audits = new AuditBook(settings.audit, threshold, settings.ticker, settings.random);
        this.comparator = settings.audit.comparator().orElseGet(() -> new AnswersAlike(embedder));
        if (settings.tier != null) {
            store.follow(settings.tier, workers.scheduler());
        }
    }

    /**
     * {@return a builder of a cache}
     *
     * @param embedder what tells texts apart; it stays its owner's, who closes it after the cache
     */
    public static SemanticCacheBuilder builder(Embedder embedder) {
        return new SemanticCacheBuilder(embedder);
    }

    @Override
    public CacheScope scope() {
        return settings.scope;
    }

    @Override
    public CompletionStage<CacheLookup> lookup(CacheKey key, CompletionRequest request) {
        long began = store.epoch();
        String text = key.text().orElse("");
        String reason = unfit(text);
        if (reason == null && audits.stopped(group(key))) {
            reason = "audit";
        }
        if (reason != null) {
            return CompletableFuture.completedStage(bypass(reason, null, began));
        }
        CompletableFuture<CacheLookup> lookup = new CompletableFuture<>();
        Object ticket = new Object();
        pending.put(ticket, lookup);
        CompletableFuture<CacheLookup> result = lookup.whenComplete((found, failure) -> pending.remove(ticket));
        if (closed) {
            lookup.complete(bypass("closed", null, began));
        }
        workers.within(settings.embedTimeout, "embedding", lookup, () -> bypass("embedder late", null, began));
        try {
            workers.execute(() -> equal(key, began)
                    .ifPresentOrElse(
                            lookup::complete,
                            () -> embed(text, lookup, embedding -> find(key, text, embedding, began), began)));
        } catch (RejectedExecutionException e) {
            lookup.complete(bypass("busy", null, began));
        }
        return result;
    }

    private static @Nullable String unfit(String text) {
        if (text.isBlank()) {
            return "no text";
        }
        return text.length() > MAX_TEXT_CHARS ? "long text" : null;
    }

    private static String group(CacheKey key) {
        return key.namespace().orElse("");
    }

    private CacheLookup.Miss bypass(String reason, @Nullable Embedding embedding, long began) {
        counters.bypass(reason);
        return new CacheLookup.Miss(new CacheOutcome.Bypass(reason), embedding, began);
    }

    private void embed(
            String text, CompletableFuture<CacheLookup> lookup, Function<Embedding, CacheLookup> then, long began) {
        if (lookup.isDone()) {
            return; // late already: not worth the work
        }
        CompletionStage<List<Embedding>> stage;
        try {
            stage = embedder.embed(List.of(text));
        } catch (RuntimeException | LinkageError e) {
            stage = CompletableFuture.failedStage(e);
        }
        stage.whenComplete((embeddings, failure) -> {
            if (lookup.isDone()) {
                return;
            }
            try {
                lookup.complete(judge(embeddings, failure, then, began));
            } catch (RuntimeException e) {
                LOG.error("a lookup failed", e);
                lookup.complete(bypass("lookup failed", null, began));
            }
        });
    }

    private CacheLookup judge(
            @Nullable List<Embedding> embeddings,
            @Nullable Throwable failure,
            Function<Embedding, CacheLookup> then,
            long began) {
        if (failure != null || embeddings == null || embeddings.size() != 1) {
            LOG.warn("the embedder {} failed: {}", embedder.id(), failure == null ? "no vector" : failure.toString());
            return bypass("embedder failed", null, began);
        }
        Embedding embedding = embeddings.get(0);
        if (embedding.dimension() != embedder.dimension()) {
            LOG.warn("the embedder {} sent {} values", embedder.id(), embedding.dimension());
            return bypass("embedder failed", null, began);
        }
        return embedding.truncated() ? bypass("truncated", embedding, began) : then.apply(embedding);
    }

    private CacheLookup find(CacheKey key, String text, Embedding embedding, long began) {
        long now = settings.ticker.nanos();
        List<VectorIndex.Candidate> near = entries.nearest(
                store.partition(key.partition(), began), embedding.vector(), (float) audits.threshold(group(key)));
        VetoText asked = new VetoText(text);
        Veto first = null;
        double refused = 0;
        for (VectorIndex.Candidate candidate : near) {
            Entry entry = candidate.entry();
            if (!entry.usable(now)) {
                counters.expirations.add(entries.drop(entry) ? 1 : 0);
                continue;
            }
            Optional<Veto> veto = Veto.between(asked, new VetoText(entry.text), settings.vetoes);
            if (veto.isEmpty() && entries.touch(entry)) {
                counters.hits.increment();
                return hit(key, candidate, now);
            }
            if (first == null && veto.isPresent()) {
                first = veto.get();
                refused = candidate.similarity();
            }
        }
        if (first != null) {
            counters.veto(first);
            return new CacheLookup.Miss(new CacheOutcome.Veto(first.toString(), refused), embedding, began);
        }
        counters.misses.increment();
        return new CacheLookup.Miss(new CacheOutcome.Miss(), embedding, began);
    }

    /** The answer to the very same request, which another process or another run stored: it takes no embedding. */
    private Optional<CacheLookup> equal(CacheKey key, long began) {
        long now = settings.ticker.nanos();
        return entries.use(key.exact(), store.partition(key.partition(), began), now)
                .map(entry -> {
                    counters.hits.increment();
                    return new CacheLookup.Hit(entry.answer, outcome(entry, 1, now), null);
                });
    }

    private CacheLookup.Hit hit(CacheKey key, VectorIndex.Candidate candidate, long now) {
        Entry entry = candidate.entry();
        Consumer<Completion> audit = audits.wantsCheck() ? fresh -> check(key, entry, fresh) : null;
        return new CacheLookup.Hit(entry.answer, outcome(entry, Math.min(1, candidate.similarity()), now), audit);
    }

    private static CacheOutcome.Semantic outcome(Entry entry, double similarity, long now) {
        return new CacheOutcome.Semantic(
                similarity, Duration.ofNanos(Math.max(0, now - entry.storedNanos)), entry.text);
    }

    private void check(CacheKey key, Entry entry, Completion fresh) {
        try {
            workers.execute(() -> compare(entry.answer.completion(), fresh, group(key)));
        } catch (RejectedExecutionException e) {
            counters.auditFailures.increment();
        }
    }

    private void compare(Completion cached, Completion fresh, String group) {
        CompletionStage<Boolean> verdict;
        try {
            verdict = comparator.same(cached, fresh);
        } catch (RuntimeException e) {
            verdict = CompletableFuture.failedStage(e);
        }
        verdict.whenComplete((same, failure) -> {
            if (failure != null || same == null) {
                counters.auditFailures.increment();
                LOG.warn("two answers could not be compared: {}", String.valueOf(failure));
            } else {
                audits.verdict(group, same);
            }
        });
    }

    @Override
    public void store(CacheKey key, CacheLookup.Miss miss, Completion answer) {
        try {
            String reason = miss.embedding()
                    .map(embedding -> store(key, miss.epoch(), embedding, answer))
                    .orElse("no embedding");
            if (reason.isEmpty()) {
                counters.stores.increment();
            } else {
                counters.refuse(reason);
            }
        } catch (RuntimeException e) {
            counters.refuse("store failed");
            LOG.error("an answer was not stored", e);
        }
    }

    private String store(CacheKey key, long began, Embedding embedding, Completion answer) {
        boolean fit = !embedding.truncated()
                && embedding.dimension() == embedder.dimension()
                && unfit(key.text().orElse("")) == null;
        return fit ? store.store(key, began, embedding, answer) : "text";
    }

    /** Another basis only makes searches faster, so it is learned when there is a thread for it. */
    private void learnSoon() {
        try {
            workers.execute(entries::learn);
        } catch (RejectedExecutionException e) {
            LOG.debug("no thread to learn a basis now");
        }
    }

    /**
     * Forgets the entries a predicate names, and the answers to the same requests in the exact cache of the balancer. With
     * a shared tier the other processes of the same embedder forget them too; what only they hold is not asked about. The
     * predicate runs on this thread.
     *
     * @return how many there were in this process
     */
    public int invalidate(Predicate<CachedEntry> predicate) {
        return store.invalidate(predicate);
    }

    /**
     * Forgets everything, and what is being generated now is not stored: a new epoch begins. With a shared tier, in all
     * processes.
     */
    @Override
    public void invalidateAll() {
        store.invalidateAll();
    }

    @Override
    public void onForgotten(Forgetting listener) {
        store.listener(listener);
    }

    /**
     * Writes all entries to a file, in place of what it held. The file has the texts and answers in the clear.
     *
     * @throws UncheckedIOException when it cannot be written; the old file is then still there
     */
    public void save(Path file) {
        try {
            store.save(file);
        } catch (IOException e) {
            throw new UncheckedIOException("the cache could not be saved to " + file, e);
        }
    }

    /**
     * Reads entries that were saved, as far as they have not expired since. A file that is missing, cut off, changed, of
     * another version or of another embedder is ignored with a warning. Whoever can write the file decides what the cache
     * answers.
     *
     * @return how many entries were read
     */
    public int load(Path file) {
        try {
            return store.load(file);
        } catch (IOException e) {
            LOG.warn("the snapshot {} is ignored: {}", file, e.toString());
            return 0;
        }
    }

    /** {@return what the cache holds and did} */
    public SemanticCacheStatistics statistics() {
        return counters.statistics(entries, audits, settings.tier);
    }

    /** Ends the threads the cache made. What runs is a miss; the embedder stays open. */
    @Override
    public void close() {
        closed = true;
        SharedTier tier = settings.tier;
        if (tier != null) {
            tier.close();
        }
        pending.values().forEach(lookup -> lookup.complete(bypass("closed", null, store.epoch())));
        workers.close();
        entries.clear();
    }

    @Override
    public String toString() {
        return "SemanticCache{" + embedder.id() + ", entries=" + entries.size() + "}";
    }
}
