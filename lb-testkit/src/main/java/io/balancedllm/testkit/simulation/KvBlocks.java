/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The KV memory of an engine and the prefix cache in it. Each block is in one of four places: free; private to a
 * sequence; shared under an id and used by sequences; shared and idle, waiting to be used again or evicted, the one
 * unused for longest first.
 */
final class KvBlocks {
    /** A block others may use. The idle ones form a ring, the next to be evicted first. */
    static final class Block {
        private final @Nullable Long id;
        private int users;
        private Block before = this;
        private Block after = this;

        private Block(@Nullable Long id) {
            this.id = id;
        }

        private void enqueue(Block ring) {
            before = ring.before;
            after = ring;
            before.after = this;
            ring.before = this;
        }

        private void dequeue() {
            before.after = after;
            after.before = before;
            before = this;
            after = this;
        }
    }

    private final int capacity;
    private final Map<Long, Block> byId = new HashMap<>();
    private final Block idleRing = new Block(null);
    private int used;
    private int idle;
    private int priv;
    private long evictions;

    KvBlocks(int capacity) {
        this.capacity = capacity;
    }

    int capacity() {
        return capacity;
    }

    long evictions() {
        return evictions;
    }

    /**
     * Gives a sequence all blocks it will need, those of its prefix that are cached included, so that it never has to
     * stop for want of memory.
     *
     * @return false, with nothing changed, when there are not enough
     */
    boolean admit(Sequence sequence) {
        int hits = 0;
        int idleHits = 0;
        while (hits < sequence.reusableBlocks) {
            Block block = byId.get(sequence.blockIds.get(hits));
            if (block == null) {
                break;
            }
            if (block.users == 0) {
                idleHits++;
            }
            sequence.shared[hits++] = block;
        }
        int needed = sequence.blocks() - hits;
        if (needed > capacity - used - priv - idleHits) {
            for (int i = 0; i < hits; i++) {
                sequence.shared[i] = null;
            }
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
        sequence.hitBlocks = hits;
        sequence.publishedBlocks = hits;
        sequence.computedTokens = sequence.cachedTokens();
        return true;
    }

    private void use(@Nullable Block block) {
        if (block != null && block.users++ == 0) {
            block.dequeue();
            idle--;
            used++;
        }
    }

    private void evict() {
        Block oldest = idleRing.after;
        oldest.dequeue();
        idle--;
        evictions++;
        byId.remove(oldest.id);
    }

    /** Makes what the sequence has computed visible. Of what another computed at the same time, its copy stays private. */
    void publish(Sequence sequence) {
        int full = Math.min(sequence.blockIds.size(), sequence.computedTokens / SimulatedPrompt.BLOCK_TOKENS);
        for (int i = sequence.publishedBlocks; i < full; i++) {
            Long id = sequence.blockIds.get(i);
            if (!byId.containsKey(id)) {
                Block block = new Block(id);
                block.users = 1;
                byId.put(id, block);
                sequence.shared[i] = block;
                sequence.privateBlocks--;
                priv--;
                used++;
            }
        }
        sequence.publishedBlocks = Math.max(full, sequence.publishedBlocks);
    }

    /** Takes everything back. The end of the prefix is the first to be evicted: without its start it is of no use. */
    void release(Sequence sequence) {
        priv -= sequence.privateBlocks;
        sequence.privateBlocks = 0;
        for (int i = sequence.shared.length - 1; i >= 0; i--) {
            Block block = sequence.shared[i];
            if (block != null && --block.users == 0) {
                used--;
                idle++;
                block.enqueue(idleRing);
            }
            sequence.shared[i] = null;
        }
    }

    /** Throws unless every block is in one place. */
    void verify(Iterable<Sequence> running) {
        int idleSeen = 0;
        for (Block block = idleRing.after; block != idleRing; block = block.after) {
            idleSeen++;
            require(block.users == 0, "an idle block is in use");
        }
        int privateSeen = 0;
        Map<Block, Integer> users = new HashMap<>();
        for (Sequence sequence : running) {
            privateSeen += sequence.privateBlocks;
            for (Block block : sequence.shared) {
                if (block != null) {
                    users.merge(block, 1, Integer::sum);
                }
            }
        }
        users.forEach((block, count) -> require(block.users == count, "a block has lost count of its users"));
        require(users.size() == used, "blocks are in use by nobody");
        require(idleSeen == idle, "idle blocks were miscounted");
        require(privateSeen == priv, "private blocks were miscounted");
        require(byId.size() == used + idle, "a shared block is neither in use nor idle");
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
