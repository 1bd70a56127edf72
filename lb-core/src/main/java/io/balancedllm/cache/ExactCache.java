/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.Completion;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Answers to requests that are equal in every byte that counts ({@link CacheKey#exact()}). Strictly least recently used
 * goes first, by bytes; a lookup costs one short lock and no allocation beyond its result. Thread-safe.
 */
public final class ExactCache {
    /** Bytes of answers kept when nothing else is said: 64 MiB. */
    public static final long DEFAULT_MAXIMUM_BYTES = 64L << 20;
    /** How long an answer is kept when neither the cache nor the call says. */
    public static final Duration DEFAULT_TIME_TO_LIVE = Duration.ofHours(1);

    /** A key as it is kept: 64 characters, the entry around it, the place in the table. */
    private static final int BYTES_OF_A_KEY = 256;

    private final ReentrantLock lock = new ReentrantLock();
    private final LinkedHashMap<String, Entry> entries = new LinkedHashMap<>(16, 0.75f, true);
    private final long maximumBytes;
    private final long timeToLiveNanos;
    private final Ticker ticker;
    private long bytes;

    /**
     * An empty cache.
     *
     * @param maximumBytes bytes of answers kept, above 0; larger answers are not stored
     * @param timeToLive how long an answer is kept unless its call says otherwise
     * @param ticker the clock
     */
    public ExactCache(long maximumBytes, Duration timeToLive, Ticker ticker) {
        if (maximumBytes <= 0) {
            throw new IllegalArgumentException("maximumBytes must be above 0, got " + maximumBytes);
        }
        if (timeToLive.isNegative() || timeToLive.isZero()) {
            throw new IllegalArgumentException("timeToLive must be positive, got " + timeToLive);
        }
        this.maximumBytes = maximumBytes;
        this.timeToLiveNanos = nanos(timeToLive);
        this.ticker = ticker;
    }

    /** {@return the stored answer to the same request and how old it is; empty when there is none} */
    public Optional<Found> find(CacheKey key) {
        long now = ticker.nanos();
        lock.lock();
        try {
            Entry entry = entries.get(key.exact());
            if (entry == null) {
                return Optional.empty();
            }
            if (now - entry.storedNanos >= entry.lifeNanos) {
                entries.remove(key.exact());
                bytes -= entry.bytes();
                return Optional.empty();
            }
            return Optional.of(new Found(entry.answer, Duration.ofNanos(Math.max(0, now - entry.storedNanos))));
        } finally {
            lock.unlock();
        }
    }

    /**
     * Keeps an answer, in place of an older one to the same request, if {@link StoredAnswer#of} says that it may be.
     *
     * @return whether it was kept
     */
    public boolean store(CacheKey key, Completion completion) {
        Optional<StoredAnswer> answer = StoredAnswer.of(completion);
        if (answer.isEmpty() || answer.get().bytes() + BYTES_OF_A_KEY > maximumBytes) {
            return false;
        }
        long life = key.timeToLive().map(ExactCache::nanos).orElse(timeToLiveNanos);
        Entry entry = new Entry(answer.get(), ticker.nanos(), life);
        lock.lock();
        try {
            Entry replaced = entries.put(key.exact(), entry);
            bytes += entry.bytes() - (replaced == null ? 0 : replaced.bytes());
            Iterator<Map.Entry<String, Entry>> eldest = entries.entrySet().iterator();
            while (bytes > maximumBytes) {
                bytes -= eldest.next().getValue().bytes();
                eldest.remove();
            }
        } finally {
            lock.unlock();
        }
        return true;
    }

    /** Forgets the answers to these requests, by {@link CacheKey#exact()}, as far as there are any. */
    public void remove(Collection<String> exactKeys) {
        lock.lock();
        try {
            for (String key : exactKeys) {
                Entry removed = entries.remove(key);
                bytes -= removed == null ? 0 : removed.bytes();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Forgets everything. */
    public void clear() {
        lock.lock();
        try {
            entries.clear();
            bytes = 0;
        } finally {
            lock.unlock();
        }
    }

    /** {@return how many answers are kept} */
    public int size() {
        lock.lock();
        try {
            return entries.size();
        } finally {
            lock.unlock();
        }
    }

    /** {@return about how many bytes they take} */
    public long bytes() {
        lock.lock();
        try {
            return bytes;
        } finally {
            lock.unlock();
        }
    }

    private static long nanos(Duration duration) {
        try {
            return duration.toNanos();
        } catch (ArithmeticException e) {
            return Long.MAX_VALUE; // more than 292 years: for ever
        }
    }

    /**
     * An answer that was found.
     *
     * @param answer the answer
     * @param age time since it was stored
     */
    public record Found(StoredAnswer answer, Duration age) {}

    private record Entry(StoredAnswer answer, long storedNanos, long lifeNanos) {
        long bytes() {
            return answer.bytes() + BYTES_OF_A_KEY;
        }
    }
}
