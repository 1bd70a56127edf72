/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Which endpoint probably holds which blocks of prompts in its cache. One radix tree of all prompts says which endpoints
 * hold what, and for each endpoint there is the order in which it was last used.
 *
 * <p>Thread-safe. {@link #match} neither locks nor allocates, and takes one walk along the prompt for up to 64 endpoints
 * together. Writers take one lock. Given the same calls in the same order, everything comes out the same.
 *
 * <p>A block takes 8 bytes, however many endpoints hold it. Blocks that prompts share and blocks that they do not are kept
 * apart: each such run takes about 130 bytes more, and about 50 for each endpoint that holds it.
 */
public final class PrefixIndex {
    /** Memory of an index, in bytes, unless set otherwise: several million blocks of long prompts. */
    public static final long DEFAULT_MAX_BYTES = 64L << 20;

    /** The smallest bound an index can have, in bytes. */
    static final long LEAST_MAX_BYTES = 64L << 10;

    /** Blocks kept for an endpoint whose cache is of unknown size: 2.1 million tokens in blocks of 64. */
    public static final int DEFAULT_CAPACITY_BLOCKS = 32_768;

    private final ReentrantLock lock = new ReentrantLock();
    private final PrefixTree tree = new PrefixTree();
    private final long maxBytes;
    private volatile int slots;

    // Guarded by the lock.
    private final List<@Nullable PrefixHolder> bySlot = new ArrayList<>();
    private final ErrorCounter errors = new ErrorCounter();
    private int holders;
    private long evictions;

    /** Makes an index of at most {@link #DEFAULT_MAX_BYTES}. */
    public PrefixIndex() {
        this(DEFAULT_MAX_BYTES);
    }

    /**
     * Makes an index.
     *
     * @param maxBytes its bound, at least 64 kB; beyond, blocks go where the most are held, the longest unused first
     */
    public PrefixIndex(long maxBytes) {
        if (maxBytes < LEAST_MAX_BYTES) {
            throw new IllegalArgumentException("maxBytes must be at least " + LEAST_MAX_BYTES + ", got " + maxBytes);
        }
        this.maxBytes = maxBytes;
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
            tree.open(slot);
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
        return tree.match(blocks, result);
    }

    /** {@return size and success; takes the write lock} */
    public PrefixStatistics statistics() {
        lock.lock();
        try {
            int entries = 0;
            for (PrefixHolder holder : bySlot) {
                entries += holder == null ? 0 : holder.size();
            }
            return new PrefixStatistics(holders, tree.blocks(), entries, tree.bytes(), evictions, errors.snapshot());
        } finally {
            lock.unlock();
        }
    }

    @Override
    public String toString() {
        return "PrefixIndex{at most " + maxBytes + " bytes}";
    }

    // What holders need. All of it but the lock and the match is called under the lock.

    ReentrantLock lock() {
        return lock;
    }

    int match(PromptBlocks blocks, PrefixHolder holder) {
        return tree.match(blocks, holder.slot());
    }

    PrefixTree tree() {
        return tree;
    }

    void evicted(int blocks) {
        evictions += blocks;
    }

    /** Removes blocks where the most are held until the bound is kept. */
    void keepBound() {
        PrefixHolder largest;
        while (tree.bytes() > maxBytes && (largest = largest()) != null) {
            largest.evictOldest(Integer.MAX_VALUE);
        }
    }

    /** Counts an answer in the total, which outlives its holder. */
    void answered(long predictedTokens, long actualTokens) {
        errors.add(predictedTokens, actualTokens);
    }

    /** Removes all that a holder has at once: matches that begin later see none of it, however long the rest takes. */
    void clear(PrefixHolder holder, Runnable removal, boolean leaves) {
        tree.close(holder.slot());
        removal.run();
        if (leaves) {
            bySlot.set(holder.slot(), null);
            holders--;
        } else {
            tree.open(holder.slot());
        }
    }

    private @Nullable PrefixHolder largest() {
        PrefixHolder largest = null;
        for (PrefixHolder holder : bySlot) {
            if (holder != null && holder.size() > (largest == null ? 0 : largest.size())) {
                largest = holder;
            }
        }
        return largest;
    }
}
