/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.prefix.PrefixPrediction;
import io.balancedllm.prefix.PromptBlocks;
import org.jspecify.annotations.Nullable;

/** The prompt of one attempt, as it is on the books of its endpoint. Guarded by the endpoint's {@link EndpointLoad}. */
final class PromptWork {
    final PromptBlocks blocks;
    /** What was expected of the endpoint's cache; null where no prefixes are followed. */
    final @Nullable PrefixPrediction prediction;

    final int promptTokens;
    final int cachedTokens;
    /** In tokens that cost as much as the first of a prompt. */
    final double work;
    /** The same in seconds, as estimated at dispatch. */
    final double seconds;
    /** What each decoding step is expected to read for this attempt, on average. */
    final double contextTokens;
    /** Whether its blocks are counted among those in flight. */
    final boolean counted;

    boolean pending = true;

    PromptWork(
            PromptBlocks blocks,
            @Nullable PrefixPrediction prediction,
            int promptTokens,
            int cachedTokens,
            double work,
            double seconds,
            double contextTokens,
            boolean counted) {
        this.blocks = blocks;
        this.prediction = prediction;
        this.promptTokens = promptTokens;
        this.cachedTokens = cachedTokens;
        this.work = work;
        this.seconds = seconds;
        this.contextTokens = contextTokens;
        this.counted = counted;
    }

    /** {@return tokens to compute: at least the last one, which is never cached} */
    int uncachedTokens() {
        return uncachedTokens(promptTokens, cachedTokens);
    }

    static int uncachedTokens(int promptTokens, int cachedTokens) {
        return Math.max(1, promptTokens - cachedTokens);
    }

    /**
     * {@return what it takes to compute the rest of a prompt, in tokens that cost as much as the first of a prompt}
     *
     * @param attentionShare what a token costs more for each token before it
     */
    static double work(int promptTokens, int cachedTokens, double attentionShare) {
        double uncached = uncachedTokens(promptTokens, cachedTokens);
        return uncached + attentionShare * attention(uncached, cachedTokens);
    }

    /** {@return pairs of a token to compute and a token before it} */
    static double attention(double uncachedTokens, double cachedTokens) {
        return uncachedTokens * (cachedTokens + uncachedTokens / 2);
    }
}
