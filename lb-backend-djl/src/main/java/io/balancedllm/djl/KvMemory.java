/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The books of an engine's KV memory, in tokens. What sequences do not need is filled with prefixes, which give way at
 * once. A few freed caches are spared for the next of the same room: memory that comes fresh from the system may take
 * many times as long to fill. Used by the engine thread alone.
 */
final class KvMemory {
    /** Caches come in multiples of this many tokens, so that what is freed fits what comes next. */
    static final int ROOM_STEP = 64;

    /** Freed caches have at most this share of the budget. */
    static final double SHARE_SPARED = 0.125;

    private static final Logger LOG = LoggerFactory.getLogger(KvMemory.class);

    private final Kernel kernel;
    private final PrefixCache prefixes;
    private final int capacity;
    /** The one freed last is the last to go. */
    private final Deque<Spare> spares = new ArrayDeque<>();

    private int reserved;
    private int spared;

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
        makeRoom();
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
        Kernel.KvCache spare = takeSpare(tokens);
        reserved += tokens;
        if (spare != null) {
            return spare;
        }
        makeRoom();
        try {
            return kernel.allocate(tokens);
        } catch (RuntimeException | OutOfMemoryError first) {
            LOG.warn("No memory for the keys and values of {} tokens; prefixes are forgotten", tokens, first);
            clear();
        }
        try {
            return kernel.allocate(tokens);
        } catch (RuntimeException | OutOfMemoryError again) {
            reserved -= tokens;
            throw LlmException.builder(
                            Reason.OVERLOADED,
                            "there is no memory for the keys and values of " + tokens + " tokens beside the " + reserved
                                    + " that run: set kvTokens below " + capacity)
                    .cause(again)
                    .build();
        } finally {
            makeRoom();
        }
    }

    /** Takes back a cache that was taken with this room. */
    void free(Kernel.KvCache cache, int tokens) {
        reserved -= tokens;
        int most = (int) (capacity * SHARE_SPARED);
        if (tokens > most) {
            cache.close();
        } else {
            dropSpares(most - tokens);
            cache.truncate(0);
            spares.addLast(new Spare(cache, tokens));
            spared += tokens;
        }
        makeRoom();
    }

    /** Frees all that no sequence has; prefixes come again with the next room that is given up. */
    void clear() {
        dropSpares(0);
        prefixes.limit(0);
    }

    private void makeRoom() {
        dropSpares(capacity - reserved);
        prefixes.limit(capacity - reserved - spared);
    }

    private void dropSpares(int most) {
        while (spared > most && !spares.isEmpty()) {
            Spare oldest = spares.removeFirst();
            spared -= oldest.tokens();
            oldest.cache().close();
        }
    }

    private Kernel.@Nullable KvCache takeSpare(int tokens) {
        for (Iterator<Spare> left = spares.descendingIterator(); left.hasNext(); ) {
            Spare spare = left.next();
            if (spare.tokens() == tokens) {
                left.remove();
                spared -= tokens;
                return spare.cache();
            }
        }
        return null;
    }

    private record Spare(Kernel.KvCache cache, int tokens) {}
}
