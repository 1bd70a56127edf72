/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.util.List;

/**
 * What the caches of several processes share: a log of what was stored and forgotten, which each of them follows, and the
 * answers. Lookups never ask it: a cache finds only what it holds itself. So nothing waits for it, and without it a cache
 * goes on alone. For Redis and Valkey see {@link io.balancedllm.cache.semantic.redis.RedisTier}. Thread-safe.
 */
public interface SharedTier extends AutoCloseable {
    /**
     * Begins to follow the log, until the end. Called once, by the cache.
     *
     * @param follower the cache
     * @param ticker the clock of the cache
     * @param scheduler timers of the cache, open until this tier is closed
     */
    void start(Follower follower, Ticker ticker, Scheduler scheduler);

    /** Shares an entry. Returns at once and does not throw; what is too much is dropped and counted. */
    void put(Item item);

    /**
     * Tells the others that entries were taken out. Returns at once; not dropped, also when the tier is away for long.
     *
     * @param epoch the epoch of the cache
     * @param ids the entries
     */
    void forget(long epoch, List<String> ids);

    /**
     * Tells the others that everything is to be forgotten. Returns at once; not dropped.
     *
     * @param epoch the epoch of the cache that begins with it
     */
    void forgetAll(long epoch);

    /** {@return what was shared, and how it stands} */
    Statistics statistics();

    /** Stops following and ends all threads. What was not sent yet is lost. Idempotent. */
    @Override
    void close();

    /** A cache, as the tier sees it. Called by one thread at a time. */
    interface Follower {
        /** {@return a short name that caches have in common when they may share: that of their embedder} */
        String space();

        /** {@return the epoch now; it grows with each invalidation of everything} */
        long epoch();

        /**
         * Takes an entry in, unless it is of another epoch.
         *
         * @return false when it is none that a cache of this version writes
         */
        boolean put(Item item);

        /** Takes entries out, as far as they are there. */
        void forget(List<String> ids);

        /**
         * Forgets everything.
         *
         * @return the epoch that begins with it
         */
        long forgetAll();
    }

    /**
     * An entry as it travels. The arrays are shared: do not write to them.
     *
     * @param id digest of the request, 64 hexadecimal digits; a newer entry takes the place of an older one
     * @param head what finds it
     * @param body the answer
     * @param storedNanos when it was stored, on the clock of the cache
     * @param lifeNanos how long it lives from then on
     * @param epoch the epoch it belongs to
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Item(String id, byte[] head, byte[] body, long storedNanos, long lifeNanos, long epoch) {}

    /** Whether a tier is of use now. */
    enum State {
        /** It follows the log. */
        FOLLOWING,
        /** There is no connection: the cache is alone, and the tier tries again and again. */
        AWAY,
        /** It was closed. */
        CLOSED
    }

    /**
     * What a tier did since it was made. Immutable.
     *
     * @param state whether it is of use now
     * @param trouble what went wrong last, or keeps it away; empty when nothing did
     * @param sent entries and invalidations that were shared
     * @param received entries of others that were taken in
     * @param dropped entries not shared: too many waited, the answer was too large, or the server refused them
     * @param absent entries in the log whose answer had gone or expired
     * @param ignored records in the log that are of another version, damaged, or nobody's
     * @param flushes how often others had everything forgotten, a log with a gap included
     * @param connections how often a connection was made
     * @param waiting entries and invalidations that wait to be shared
     */
    record Statistics(
            State state,
            String trouble,
            long sent,
            long received,
            long dropped,
            long absent,
            long ignored,
            long flushes,
            long connections,
            int waiting) {}
}
