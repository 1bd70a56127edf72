/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.List;

/**
 * One forward pass of a GPT-2 model over a packed batch of sequences of different lengths. Prefill, a chunk of prefill,
 * decode, continuation of a reused prefix and any mixture of them are the same call. Used by one thread at a time.
 */
interface Kernel extends AutoCloseable {
    /** {@return an empty cache of keys and values with room for this many tokens} */
    KvCache allocate(int tokens);

    /**
     * Feeds each slice's tokens behind what its cache holds. The caches grow when all is done: a step that throws leaves
     * them as they were.
     *
     * @return for each slice the logits behind its last token, [vocabulary], or an empty array where they were not asked for
     */
    float[][] step(List<Slice> slices);

    /** {@return the name of the kernel, for logs} */
    String name();

    @Override
    void close();

    /** New tokens of one sequence, at least one. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Slice(KvCache cache, int[] tokens, boolean logitsWanted) {}

    /** Keys and values of one sequence in all layers. Freed by {@link #close}. */
    interface KvCache extends AutoCloseable {
        /** {@return how many tokens the cache holds} */
        int length();

        /** {@return a copy of some tokens' keys and values} */
        KvBlock save(int from, int tokens);

        /** Appends the tokens of a block. */
        void append(KvBlock block);

        @Override
        void close();
    }

    /** A copy of the keys and values of a few adjacent tokens, in the form of the kernel that made it. */
    interface KvBlock extends AutoCloseable {
        @Override
        void close();
    }
}
