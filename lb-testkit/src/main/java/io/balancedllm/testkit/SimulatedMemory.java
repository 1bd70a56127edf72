/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The KV memory of a simulated engine: blocks reserved by running sequences, and blocks that are merely remembered, which
 * make room for the others, the one unused longest first. Used by one thread.
 */
final class SimulatedMemory {
    private static final int BLOCK_CHARS = SimulatedBackend.BLOCK_TOKENS * SimulatedBackend.TOKEN_CHARS;
    private static final long FNV_OFFSET = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;

    private final int capacity;
    /** In the order of use, the one unused longest first. */
    private final Map<Long, Boolean> remembered = new LinkedHashMap<>(16, 0.75f, true);

    private int reserved;

    SimulatedMemory(int capacity) {
        this.capacity = capacity;
    }

    /** {@return a hash for each full block of a prompt, of the block and all before it} */
    static long[] hashes(String prompt) {
        long[] hashes = new long[prompt.length() / BLOCK_CHARS];
        long hash = FNV_OFFSET;
        for (int i = 0; i < hashes.length * BLOCK_CHARS; i++) {
            hash = (hash ^ prompt.charAt(i)) * FNV_PRIME;
            if ((i + 1) % BLOCK_CHARS == 0) {
                hashes[i / BLOCK_CHARS] = hash;
            }
        }
        return hashes;
    }

    int capacity() {
        return capacity;
    }

    /** {@return the share of the memory that running sequences hold} */
    double usage() {
        return Math.min(1, (double) reserved / capacity);
    }

    /** Reserves what a sequence needs beyond what it finds. {@return false, with nothing changed, when it is not there} */
    boolean admit(SimulatedSequence sequence) {
        int hits = 0;
        while (hits < sequence.blockHashes.length && remembered.containsKey(sequence.blockHashes[hits])) {
            hits++;
        }
        int blocks = sequence.blocks();
        if (reserved + blocks > capacity) {
            return false;
        }
        for (int i = 0; i < hits; i++) {
            remembered.remove(sequence.blockHashes[i]); // they are the sequence's now, and come back when it ends
        }
        reserved += blocks;
        sequence.reserved = blocks;
        // The last token is always computed: its logits are wanted.
        sequence.cachedTokens = Math.min(hits * SimulatedBackend.BLOCK_TOKENS, sequence.promptTokens - 1);
        sequence.computed = sequence.cachedTokens;
        makeRoom();
        return true;
    }

    /** Makes the prompt of a sequence known to others. */
    void publish(SimulatedSequence sequence) {
        int full = Math.min(sequence.blockHashes.length, sequence.reserved);
        for (int i = 0; i < full; i++) {
            if (remembered.put(sequence.blockHashes[i], true) == null) {
                sequence.reserved--;
                reserved--;
            }
        }
        makeRoom();
    }

    /** Gives back what a sequence has reserved. */
    void release(SimulatedSequence sequence) {
        reserved -= sequence.reserved;
        sequence.reserved = 0;
    }

    private void makeRoom() {
        Iterator<Long> oldest = remembered.keySet().iterator();
        while (remembered.size() + reserved > capacity && oldest.hasNext()) {
            oldest.next();
            oldest.remove();
        }
    }
}
