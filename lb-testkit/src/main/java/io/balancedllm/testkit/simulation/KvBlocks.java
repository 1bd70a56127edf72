/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The KV memory of an engine and the prefix cache in it. Each block is in one of four places: free; private to a
 * sequence; shared under an id and used by sequences; shared and idle, waiting to be used again or evicted, the one
 * unused for longest first. Shared blocks are numbered from 1; 0 is no block.
 */
final class KvBlocks {
    private static final int INITIAL_SHARED = 64;

    private final int capacity;
    /** What all engines of a pool hold together; null when each has a cache of its own. */
    private final @Nullable BlockTable pooled;

    private final BlockTable numbers = new BlockTable();
    private long[] ids = new long[INITIAL_SHARED];
    private int[] users = new int[INITIAL_SHARED];
    /** The idle ones form a ring through 0, the next to be evicted first. Of unused numbers, the next unused one. */
    private int[] before = new int[INITIAL_SHARED];

    private int[] after = new int[INITIAL_SHARED];
    private int unusedNumbers;
    private int freshNumbers = 1;
    private int used;
    private int idle;
    private int priv;

    KvBlocks(int capacity, @Nullable BlockTable pooled) {
        this.capacity = capacity;
        this.pooled = pooled;
    }

    int capacity() {
        return capacity;
    }

    /** {@return blocks that a sequence could be given, what is idle included} */
    int available() {
        return capacity - used - priv;
    }

    /** {@return whether a block is in the cache} */
    boolean holds(long id) {
        return pooled != null ? pooled.get(id) != 0 : numbers.get(id) != 0;
    }

    /** {@return how many blocks of the prompt are cached, up to the first that is not} */
    int cachedBlocks(PromptShape prompt) {
        int hits = 0;
        while (hits < prompt.reusableBlocks && holds(prompt.blocks[hits])) {
            hits++;
        }
        return hits;
    }

    /**
     * Gives a sequence all blocks it will need, those of its prefix that are cached included, so that it never has to
     * stop for want of memory.
     *
     * @return false, with nothing changed, when there are not enough
     */
    boolean admit(Sequence sequence) {
        long[] blocks = sequence.prompt.blocks;
        int hits = 0;
        int idleHits = 0;
        while (pooled == null && hits < sequence.prompt.reusableBlocks) {
            int block = numbers.get(blocks[hits]);
            if (block == 0) {
                break;
            }
            if (users[block] == 0) {
                idleHits++;
            }
            sequence.shared[hits++] = block;
        }
        int needed = sequence.blocks() - hits;
        if (needed > available() - idleHits) {
            Arrays.fill(sequence.shared, 0, hits, 0);
            return false;
        }
        for (int i = 0; i < hits; i++) {
            use(sequence.shared[i]);
        }
        while (capacity - used - priv - idle < needed) {
            evict();
        }
        priv += needed;
        sequence.privateBlocks = needed;
        sequence.hitBlocks = pooled == null ? hits : cachedBlocks(sequence.prompt);
        sequence.publishedBlocks = sequence.hitBlocks;
        sequence.computedTokens = sequence.cachedTokens();
        return true;
    }

    private void use(int block) {
        if (users[block]++ == 0) {
            unlink(block);
            idle--;
            used++;
        }
    }

    private void evict() {
        int oldest = after[0];
        unlink(oldest);
        idle--;
        numbers.remove(ids[oldest]);
        after[oldest] = unusedNumbers;
        unusedNumbers = oldest;
    }

    private void unlink(int block) {
        after[before[block]] = after[block];
        before[after[block]] = before[block];
    }

    /** Makes what the sequence has computed visible. Of what another computed at the same time, its copy stays private. */
    void publish(Sequence sequence) {
        long[] blocks = sequence.prompt.blocks;
        int full = Math.min(blocks.length, sequence.computedTokens / SimulatedPrompt.BLOCK_TOKENS);
        for (int i = sequence.publishedBlocks; i < full; i++) {
            if (pooled != null) {
                pooled.put(blocks[i], 1);
            } else if (numbers.get(blocks[i]) == 0) {
                int block = newNumber(blocks[i]);
                users[block] = 1;
                sequence.shared[i] = block;
                sequence.privateBlocks--;
                priv--;
                used++;
            }
        }
        sequence.publishedBlocks = Math.max(full, sequence.publishedBlocks);
    }

    private int newNumber(long id) {
        int block = unusedNumbers;
        if (block != 0) {
            unusedNumbers = after[block];
        } else {
            if (freshNumbers == ids.length) {
                ids = Arrays.copyOf(ids, 2 * freshNumbers);
                users = Arrays.copyOf(users, 2 * freshNumbers);
                before = Arrays.copyOf(before, 2 * freshNumbers);
                after = Arrays.copyOf(after, 2 * freshNumbers);
            }
            block = freshNumbers++;
        }
        ids[block] = id;
        numbers.put(id, block);
        return block;
    }

    /** Takes everything back. The end of the prefix is the first to be evicted: without its start it is of no use. */
    void release(Sequence sequence) {
        priv -= sequence.privateBlocks;
        sequence.privateBlocks = 0;
        for (int i = sequence.shared.length - 1; i >= 0; i--) {
            int block = sequence.shared[i];
            if (block != 0 && --users[block] == 0) {
                used--;
                idle++;
                before[block] = before[0];
                after[block] = 0;
                after[before[0]] = block;
                before[0] = block;
            }
            sequence.shared[i] = 0;
        }
    }

    /** Throws unless every block is in one place. */
    void verify(Iterable<Sequence> running) {
        int idleSeen = 0;
        for (int block = after[0]; block != 0; block = after[block]) {
            idleSeen++;
            require(users[block] == 0, "an idle block is in use");
        }
        int privateSeen = 0;
        Map<Integer, Integer> seen = new HashMap<>();
        for (Sequence sequence : running) {
            privateSeen += sequence.privateBlocks;
            for (int block : sequence.shared) {
                if (block != 0) {
                    seen.merge(block, 1, Integer::sum);
                }
            }
        }
        seen.forEach((block, count) -> require(users[block] == count, "a block has lost count of its users"));
        require(seen.size() == used, "blocks are in use by nobody");
        require(idleSeen == idle, "idle blocks were miscounted");
        require(privateSeen == priv, "private blocks were miscounted");
        require(numbers.size() == used + idle, "a shared block is neither in use nor idle");
        require(used + idle + priv <= capacity, "there are more blocks than there is memory");
    }

    private void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise + ": " + this);
        }
    }

    /** {@return blocks held by sequences} */
    int inUse() {
        return used + priv;
    }

    @Override
    public String toString() {
        return "KvBlocks{capacity=" + capacity + ", used=" + used + ", idle=" + idle + ", private=" + priv + "}";
    }
}
