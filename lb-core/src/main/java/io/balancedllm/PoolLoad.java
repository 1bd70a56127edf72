/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.prefix.PrefixIndex;
import io.balancedllm.prefix.PromptBlocks;
import io.balancedllm.prefix.PromptEncoder;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * What the endpoints of a balancer have in common in the eyes of its policy: how prompts become tokens and blocks, how
 * long answers are, how fast prompts are computed, and who has which prefix.
 *
 * <p>Nothing of it is done before a policy asks for it, so policies that look at calls only cost nothing more. Thread-safe;
 * picks take no lock.
 */
final class PoolLoad {
    /** Tokens of an answer before any has ended. */
    static final double INITIAL_OUTPUT_TOKENS = 256;
    /** What one answer counts in the average length of answers, and one request in what requests allow. */
    private static final double OUTPUT_SHARE = 0.01;
    /** What a request allows that names no limit: so much that it alone keeps the average from limiting anything. */
    private static final double UNLIMITED_TOKENS = 1e6;
    /** What is left of an older prompt in the correction of token estimates when another has ended. */
    private static final double CORRECTION_MEMORY = 0.998;
    /** Tokens for which the estimate counts as right at the start. */
    private static final double CORRECTION_START = 2_000;
    /** The largest factor by which an estimate of tokens is corrected, and its inverse the smallest. */
    private static final double LARGEST_CORRECTION = 16;

    /** What is kept, each with what stands before it. */
    enum Kept {
        CALLS,
        PROMPT_TOKENS,
        PREFIXES
    }

    private final PromptEncoder encoder;
    private final PrefillSpeed speed = new PrefillSpeed();
    private final Object answers = new Object();
    private double countedTokens = CORRECTION_START;
    private double estimatedTokens = CORRECTION_START;
    private double countedInBlocks;
    private double estimatedBlocks;
    private volatile double correction = 1;
    /** Real tokens in a block of an encoder that estimates; 0 before that is known. */
    private volatile double tokensPerBlock;

    private volatile double outputTokens = INITIAL_OUTPUT_TOKENS;
    private volatile int requests;
    /** Tokens of an answer that requests allow, on average; of two requests at the same time one may count for nothing. */
    private volatile double allowedTokens;

    private volatile Kept kept = Kept.CALLS;
    private volatile @Nullable PrefixIndex index;

    PoolLoad(PromptEncoder encoder) {
        this.encoder = encoder;
    }

    PrefillSpeed speed() {
        return speed;
    }

    Kept kept() {
        return kept;
    }

    /** A policy asks for this: it is kept from now on. */
    void keep(Kept asked) {
        Kept now = kept;
        if (now != asked && now.compareTo(asked) < 0) {
            raise(asked);
        }
    }

    private synchronized void raise(Kept asked) {
        if (asked == Kept.PREFIXES && index == null) {
            index = new PrefixIndex();
        }
        if (kept.compareTo(asked) < 0) {
            kept = asked;
        }
    }

    /** Another policy chooses from now on: only what it asks for is kept. */
    synchronized void policySwitched() {
        kept = Kept.CALLS;
    }

    /** {@return the index; null when prefixes are not followed} */
    @Nullable
    PrefixIndex index() {
        return index;
    }

    /** An attempt goes out that the index does not see: it would only get older from now on. */
    void dropIndex() {
        if (index != null) {
            synchronized (this) {
                if (kept != Kept.PREFIXES) {
                    index = null;
                }
            }
        }
    }

    PromptBlocks encode(Work work, CallOptions options) {
        CompletionRequest request = work.completionRequest().orElse(null);
        if (request == null) {
            return PromptBlocks.NONE;
        }
        asked(request.maxTokens());
        return encoder.encode(request, options);
    }

    /** Learns how long answers may be. The answers themselves tell late: short ones end first. */
    private void asked(OptionalInt maxTokens) {
        double allowed = maxTokens.isPresent() ? maxTokens.getAsInt() : UNLIMITED_TOKENS;
        int before = requests;
        double share = Math.max(OUTPUT_SHARE, 1.0 / (before + 1));
        double known = allowedTokens;
        allowedTokens = known + share * (allowed - known);
        requests = Math.min(Integer.MAX_VALUE - 1, before + 1);
    }

    /** {@return real tokens for one token of the encoder's count} */
    double tokenScale(PromptBlocks blocks) {
        return blocks.exact() ? 1 : correction;
    }

    /**
     * {@return real tokens in a block} Of all prompts lately, not of this one: memory is counted in these, and it does not
     * change its size with the prompt that comes next.
     */
    double tokensPerBlock(PromptBlocks blocks) {
        double learned = tokensPerBlock;
        return blocks.exact() || learned == 0 ? blocks.tokensPerBlock() * tokenScale(blocks) : learned;
    }

    int promptTokens(PromptBlocks blocks) {
        return blocks.exact() ? blocks.promptTokens() : (int) Math.round(blocks.promptTokens() * correction);
    }

    /** {@return tokens in this many cached blocks, which the prompt has and more} */
    int cachedTokens(PromptBlocks blocks, int cachedBlocks) {
        return (int) (blocks.tokensIn(cachedBlocks) * tokenScale(blocks));
    }

    /** {@return tokens of an answer: as they were lately, or what requests allow when that is less} */
    double expectedOutputTokens() {
        return requests == 0 ? outputTokens : Math.min(outputTokens, allowedTokens);
    }

    /** Learns from an answer that ended well. */
    void answered(PromptBlocks blocks, int promptTokens, int completionTokens) {
        synchronized (answers) {
            outputTokens += OUTPUT_SHARE * (completionTokens - outputTokens);
            if (!blocks.exact() && promptTokens > 0 && blocks.promptTokens() > 0) {
                countedTokens = countedTokens * CORRECTION_MEMORY + promptTokens;
                estimatedTokens = estimatedTokens * CORRECTION_MEMORY + blocks.promptTokens();
                correction =
                        Math.max(1 / LARGEST_CORRECTION, Math.min(LARGEST_CORRECTION, countedTokens / estimatedTokens));
                learnBlock(blocks, promptTokens);
            }
        }
    }

    private void learnBlock(PromptBlocks blocks, int promptTokens) {
        double mostTokens = LARGEST_CORRECTION * blocks.promptTokens();
        double leastTokens = blocks.promptTokens() / LARGEST_CORRECTION;
        countedInBlocks =
                countedInBlocks * CORRECTION_MEMORY + Math.max(leastTokens, Math.min(mostTokens, promptTokens));
        estimatedBlocks =
                estimatedBlocks * CORRECTION_MEMORY + (double) blocks.promptTokens() / blocks.tokensPerBlock();
        tokensPerBlock = countedInBlocks / estimatedBlocks;
    }

    @Override
    public String toString() {
        return "PoolLoad{" + kept + ", " + speed + ", answers of " + outputTokens + " tokens}";
    }
}
