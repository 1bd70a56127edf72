/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

/**
 * What was expected of an endpoint's cache when an attempt was sent there. Made by {@link PrefixHolder#dispatched}; give
 * it back to the same holder as the attempt goes on. What it shows is immutable.
 */
public final class PrefixPrediction {
    private final PromptBlocks blocks;
    private final int predictedBlocks;

    /** The place of this dispatch among all of its holder. */
    final long ordinal;

    /** When the deepest predicted block had been used last, as an ordinal; negative when nothing was predicted. */
    final long lastUse;

    /** Blocks last used before this ordinal had been computed when this prompt was sent. */
    final long computedBefore;

    // Guarded by the lock of the index.
    boolean computed;
    boolean answered;

    PrefixPrediction(PromptBlocks blocks, int predictedBlocks, long ordinal, long lastUse, long computedBefore) {
        this.blocks = blocks;
        this.predictedBlocks = predictedBlocks;
        this.ordinal = ordinal;
        this.lastUse = lastUse;
        this.computedBefore = computedBefore;
    }

    /** {@return the prompt} */
    public PromptBlocks blocks() {
        return blocks;
    }

    /** {@return how many of its blocks, from the start, the endpoint was expected to hold} */
    public int predictedBlocks() {
        return predictedBlocks;
    }

    /** {@return tokens in these blocks, in the unit of {@link PromptBlocks#promptTokens()}} */
    public int predictedTokens() {
        return blocks.tokensIn(predictedBlocks);
    }

    @Override
    public String toString() {
        return "PrefixPrediction{" + predictedBlocks + " blocks of " + blocks + "}";
    }
}
