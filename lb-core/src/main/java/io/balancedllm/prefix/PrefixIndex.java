/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Which endpoint probably holds which blocks of prompts in its cache. One map from block to the endpoints that hold it,
 * shared by all, and for each endpoint the order in which its blocks were last used.
 *
 * <p>Thread-safe. {@link #match} neither locks nor allocates, and takes one walk along the prompt for up to 64 endpoints
 * together. Writers take one lock. Given the same calls in the same order, everything comes out the same.
 *
 * <p>An entry, a pair of a block and an endpoint, takes about 52 bytes where endpoints hold different blocks, less where
 * they share them, and never more than 112; each further 64 endpoints add 8 to 20.
 */
public final class PrefixIndex {
    /** Entries of an index, pairs of a block and an endpoint that holds it, unless set otherwise: about 55 MB. */
    public static final int DEFAULT_MAX_ENTRIES = 1 << 20;

    /** Blocks kept for an endpoint whose cache is of unknown size: 2.1 million tokens in blocks of 64. */
    public static final int DEFAULT_CAPACITY_BLOCKS = 32_768;

    private final ReentrantLock lock = new ReentrantLock();
    private final BlockTable table = new BlockTable();
    private final int maxEntries;
    private volatile int slots;

    // Guarded by the lock.
    private final List<@Nullable PrefixHolder> bySlot = new ArrayList<>();
    private final ErrorCounter errors = new ErrorCounter();
    private int holders;
    private int entries;
    private long evictions;

    /** Makes an index of at most {@link #DEFAULT_MAX_ENTRIES}. */
    public PrefixIndex() {
        this(DEFAULT_MAX_ENTRIES);
    }

    /**
     * Makes an index.
     *
     * @param maxEntries its bound, at least 1; beyond, entries go where the most are held, the longest unused first
     */
    public PrefixIndex(int maxEntries) {
        if (maxEntries < 1) {
            throw new IllegalArgumentException("maxEntries must be at least 1, got " + maxEntries);
        }
        this.maxEntries = maxEntries;
    }

    /** {@return a new endpoint, or a new generation of one, that holds nothing yet} */
    public PrefixHolder join(String id) {
        lock.lock();
        try {
            int slot = bySlot.indexOf(null);
            if (slot < 0) {
                slot = bySlot.size();
                bySlot.add(null);
                slots = bySlot.size();
            }
            PrefixHolder holder = new PrefixHolder(this, id, slot);
            bySlot.set(slot, holder);
            holders++;
            table.open(slot);
            return holder;
        } finally {
            lock.unlock();
        }
    }

    /** {@return how long the result of {@link #match} must be to have a place for every endpoint now in the index} */
    public int slots() {
        return slots;
    }

    /**
     * Finds for every endpoint how many blocks it is thought to hold, from the start of the prompt.
     *
     * @param blocks the prompt
     * @param result receives the number of blocks at each endpoint's {@link PrefixHolder#slot}; endpoints beyond its
     *     length are left out, places of no endpoint are set to 0
     * @return the most that any endpoint holds
     */
    public int match(PromptBlocks blocks, int[] result) {
        return table.match(blocks, result);
    }

    /** {@return size and success; takes the write lock} */
    public PrefixStatistics statistics() {
        lock.lock();
        try {
            long bytes = table.bytes();
            for (PrefixHolder holder : bySlot) {
                bytes += holder == null ? 0 : holder.bytes();
            }
            return new PrefixStatistics(holders, table.blocks(), entries, bytes, evictions, errors.snapshot());
        } finally {
            lock.unlock();
        }
    }

    @Override
    public String toString() {
        return "PrefixIndex{at most " + maxEntries + " entries}";
    }

    // What holders need. All of it but the lock and the match is called under the lock.

    ReentrantLock lock() {
        return lock;
    }

    int match(PromptBlocks blocks, PrefixHolder holder) {
        return table.match(blocks, holder.slot());
    }

    void added(PrefixHolder holder, long key) {
        table.add(key, holder.slot());
        entries++;
    }

    void gone(PrefixHolder holder, long key) {
        table.remove(key, holder.slot());
        entries--;
        evictions++;
    }

    /** Removes entries where the most are held until the bound is kept. */
    void keepBound() {
        while (entries > maxEntries) {
            PrefixHolder largest = largest();
            for (int excess = entries - maxEntries; excess > 0 && largest.size() > 0; excess--) {
                largest.evictOldest();
            }
        }
    }

    /** Counts an answer in the total, which outlives its holder. */
    void answered(long predictedTokens, long actualTokens) {
        errors.add(predictedTokens, actualTokens);
    }

    /** Removes all that a holder has at once: matches that begin later see none of it, however long the rest takes. */
    void clear(PrefixHolder holder, Runnable removal, boolean leaves) {
        table.close(holder.slot());
        removal.run();
        if (leaves) {
            bySlot.set(holder.slot(), null);
            holders--;
        } else {
            table.open(holder.slot());
        }
    }

    private PrefixHolder largest() {
        PrefixHolder largest = null;
        for (PrefixHolder holder : bySlot) {
            if (holder != null && (largest == null || holder.size() > largest.size())) {
                largest = holder;
            }
        }
        if (largest == null) {
            throw new IllegalStateException("entries without a holder");
        }
        return largest;
    }
}
