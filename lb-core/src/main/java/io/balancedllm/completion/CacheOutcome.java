/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.time.Duration;

/** What the cache did for a call. Immutable. */
public sealed interface CacheOutcome {
    /** {@return whether the answer was not generated for this call} */
    default boolean reused() {
        return false;
    }

    /**
     * The answer to the same request was stored.
     *
     * @param age time since it was stored
     */
    record Exact(Duration age) implements CacheOutcome {
        @Override
        public boolean reused() {
            return true;
        }
    }

    /**
     * The answer to a request that means the same was stored.
     *
     * @param similarity cosine of the two texts' embeddings, at most 1
     * @param age time since it was stored
     * @param matchedText the last user text the answer was made for
     */
    record Semantic(double similarity, Duration age, String matchedText) implements CacheOutcome {
        @Override
        public boolean reused() {
            return true;
        }
    }

    /** The same request was being answered, and this call shares that answer as it is generated. */
    record Joined() implements CacheOutcome {
        @Override
        public boolean reused() {
            return true;
        }
    }

    /** Nothing near enough was stored. */
    record Miss() implements CacheOutcome {}

    /**
     * Something near enough was stored, but the texts differ in a way that embeddings do not see.
     *
     * @param reason what differs, in lower case ({@code "numbers"}, {@code "negation"}, ...)
     * @param similarity cosine of the nearest stored text that was refused
     */
    record Veto(String reason, double similarity) implements CacheOutcome {}

    /**
     * The cache was not asked, or could not say.
     *
     * @param reason why, in lower case ({@code "truncated"}, {@code "temperature"}, {@code "embedder failed"}, ...)
     */
    record Bypass(String reason) implements CacheOutcome {
        /** The outcome of calls of a balancer without a cache. */
        public static final Bypass OFF = new Bypass("off");
    }
}
