/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The books of an engine's KV memory, in tokens. What sequences do not need is filled with prefixes, which give way at
 * once. Used by the engine thread alone.
 */
final class KvMemory {
    /** Caches come in multiples of this many tokens, so that freed native memory fits what comes next. */
    static final int ROOM_STEP = 64;

    private static final Logger LOG = LoggerFactory.getLogger(KvMemory.class);

    private final Kernel kernel;
    private final PrefixCache prefixes;
    private final int capacity;
    private int reserved;

    KvMemory(Kernel kernel, PrefixCache prefixes, int capacity) {
        this.kernel = kernel;
        this.prefixes = prefixes;
        this.capacity = capacity;
        prefixes.limit(capacity);
    }

    /** {@return whether a sequence can have this many tokens, whatever prefixes have to go for it} */
    boolean fits(int tokens) {
        return reserved + tokens <= capacity;
    }

    int reserved() {
        return reserved;
    }

    /** Keeps room, which fits, for a cache to come. */
    void keep(int tokens) {
        reserved += tokens;
        prefixes.limit(capacity - reserved);
    }

    /** Gives up room that was kept. */
    void giveUp(int tokens) {
        reserved -= tokens;
    }

    /**
     * Allocates a cache.
     *
     * @param tokens its room, which fits
     * @throws LlmException when the machine has less memory than the budget says
     */
    Kernel.KvCache take(int tokens) {
        prefixes.limit(capacity - reserved - tokens);
        Kernel.KvCache cache;
        try {
            cache = kernel.allocate(tokens);
        } catch (RuntimeException | OutOfMemoryError first) {
            LOG.warn("No memory for the keys and values of {} tokens; prefixes are forgotten", tokens, first);
            prefixes.limit(0);
            try {
                cache = kernel.allocate(tokens);
            } catch (RuntimeException | OutOfMemoryError again) {
                prefixes.limit(capacity - reserved);
                throw LlmException.builder(
                                Reason.OVERLOADED,
                                "there is no memory for the keys and values of " + tokens + " tokens beside the "
                                        + reserved + " that run: set kvTokens below " + capacity)
                        .cause(again)
                        .build();
            }
            prefixes.limit(capacity - reserved - tokens);
        }
        reserved += tokens;
        return cache;
    }

    /** Frees a cache that was taken with this room. */
    void free(Kernel.KvCache cache, int tokens) {
        cache.close();
        reserved -= tokens;
        prefixes.limit(capacity - reserved);
    }
}
