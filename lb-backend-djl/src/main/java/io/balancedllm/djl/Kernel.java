/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One forward pass of a GPT-2 model, or of some of its layers, over a packed batch of sequences of different lengths.
 * Prefill, a chunk of prefill, decode, continuation of a reused prefix and any mixture of them are the same call. Used by
 * one thread at a time; several threads need {@link #replica}.
 *
 * <p>A kernel of the first layers takes token ids, one of later layers the states that the kernel before it gave. One that
 * holds the last layer gives logits or final states, any other the states of all tokens, for the next. States are rows of
 * {@code width} floats, one a token.
 */
interface Kernel extends AutoCloseable {
    /** {@return an empty cache of keys and values with room for this many tokens} */
    KvCache allocate(int tokens);

    /**
     * Feeds each slice's tokens behind what its cache holds. The caches grow when all is done: a step that throws leaves
     * them as they were, and the kernel usable.
     *
     * @return for each slice what {@link Wanted} says; the states of all its tokens, whatever is wanted, if the kernel does
     *     not hold the last layer
     */
    float[][] step(List<Slice> slices);

    /** {@return the name of the kernel, for logs and reports} */
    String name();

    /** {@return where it computes: {@code cpu}, {@code gpu0}, {@code gpu1}, ...} */
    String device();

    /** {@return the layers it computes} */
    LayerRange layers();

    /** {@return how many bytes a cache takes for each token there is room for} */
    long kvBytesPerToken();

    /** {@return another kernel over the same weights, for another thread; the last one closed frees them} */
    Kernel replica();

    @Override
    void close();

    /** What a slice is computed for, in a kernel that holds the last layer. */
    enum Wanted {
        /** An empty array; what the tokens leave in the cache is enough. */
        NOTHING,
        /** The logits behind the last token, [vocabulary]. */
        LOGITS,
        /** The states of all tokens behind the final norm, [tokens, width]. */
        STATES
    }

    /**
     * New tokens of one sequence, at least one.
     *
     * @param states what the kernel before this one gave for these tokens, [tokens, width]; null for the first layers
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Slice(KvCache cache, int[] tokens, Wanted wanted, float @Nullable [] states) {
        Slice(KvCache cache, int[] tokens, boolean logitsWanted) {
            this(cache, tokens, logitsWanted ? Wanted.LOGITS : Wanted.NOTHING, null);
        }

        boolean logitsWanted() {
            return wanted == Wanted.LOGITS;
        }
    }

    /** Keys and values of one sequence in all layers of a kernel. Freed by {@link #close}. */
    interface KvCache extends AutoCloseable {
        /** {@return how many tokens the cache holds} */
        int length();

        /** Forgets all tokens behind the first so many. */
        void truncate(int tokens);

        /** {@return a copy of some tokens' keys and values} */
        KvBlock save(int from, int tokens);

        /** Appends the tokens of a block; any kernel of the same layers may have made it. */
        void append(KvBlock block);

        @Override
        void close();
    }

    /** A copy of the keys and values of a few adjacent tokens, in the form of the kernel that made it. */
    interface KvBlock extends AutoCloseable {
        /** {@return how many tokens it holds} */
        int tokens();

        /** {@return the numbers on the Java heap, [layers, 2 (keys, values), heads, tokens, head width]} */
        float[] floats();

        @Override
        void close();
    }
}
