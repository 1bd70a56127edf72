/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A prompt as a chain of blocks. The hash of a block stands for everything up to its end, so equal hashes mean equal
 * prefixes. Only full blocks are in the chain; what is left over at the end of the prompt is counted in its tokens.
 * Immutable and thread-safe.
 *
 * <p><b>Collisions.</b> Hashes have 64 bits. Among n different blocks in an index the chance that any two collide is
 * below n&sup2; / 2<sup>65</sup>: one in 10 million for the 2 million blocks of a large index. A collision costs time
 * only: the call goes to an endpoint that then computes what it was thought to have. No text is ever taken from one
 * prompt for another.
 */
public final class PromptBlocks {
    /** No blocks and no tokens: of a call that has no prompt, such as embeddings. */
    public static final PromptBlocks NONE = new PromptBlocks(new long[0], 1, 0, true);

    /** Sets chains of token ids apart from those of bytes. */
    private static final String TOKENS = "token ids\n";

    private final long[] hashes;
    private final int tokensPerBlock;
    private final int promptTokens;
    private final boolean exact;
    private final boolean ofTokens;

    /** Keeps the array: callers hand over one of their own. */
    PromptBlocks(long[] hashes, int tokensPerBlock, int promptTokens, boolean exact) {
        this(hashes, tokensPerBlock, promptTokens, exact, false);
    }

    private PromptBlocks(long[] hashes, int tokensPerBlock, int promptTokens, boolean exact, boolean ofTokens) {
        this.hashes = hashes;
        this.tokensPerBlock = tokensPerBlock;
        this.promptTokens = promptTokens;
        this.exact = exact;
        this.ofTokens = ofTokens;
    }

    /**
     * {@return the token ids of a prompt as blocks, hashed in the one way in which this library hashes token ids} An engine
     * that names its cached blocks so, and an encoder that finds the same ids, agree by construction: see {@link io.balancedllm.endpoint.KvListener}.
     * The hash is XXH64 over the ids of a block, four bytes each, least first, seeded with the hash before it.
     *
     * @param ids the tokens, as the engine computes them
     * @param tokensPerBlock tokens in a block of the engine's cache, at least 1
     * @param salt what must be the same for prompts to share anything; empty for all
     */
    public static PromptBlocks ofTokens(int[] ids, int tokensPerBlock, String salt) {
        if (tokensPerBlock < 1) {
            throw new IllegalArgumentException("tokensPerBlock must be at least 1, got " + tokensPerBlock);
        }
        byte[] seed = (TOKENS + salt).getBytes(StandardCharsets.UTF_8);
        BlockChain chain = new BlockChain(Integer.BYTES * tokensPerBlock, Xxh64.hash(seed, 0, seed.length, 0));
        chain.add(PromptBytes.bytes(ids));
        return new PromptBlocks(chain.hashes(), tokensPerBlock, ids.length, true, true);
    }

    /**
     * {@return blocks whose tokens were counted as the engine counts them}
     *
     * @param hashes one hash for each full block, each standing for the whole prompt up to the end of its block; copied
     * @param tokensPerBlock tokens in a block, at least 1
     * @param promptTokens tokens of the whole prompt, at least 0
     */
    public static PromptBlocks exact(long[] hashes, int tokensPerBlock, int promptTokens) {
        return checked(hashes, tokensPerBlock, promptTokens, true);
    }

    /**
     * {@return blocks whose tokens are estimated; readers scale both counts by what they learn from answers}
     *
     * @param hashes one hash for each full block, each standing for the whole prompt up to the end of its block; copied
     * @param tokensPerBlock estimated tokens in a block, at least 1
     * @param promptTokens estimated tokens of the whole prompt, at least 0
     */
    public static PromptBlocks estimated(long[] hashes, int tokensPerBlock, int promptTokens) {
        return checked(hashes, tokensPerBlock, promptTokens, false);
    }

    private static PromptBlocks checked(long[] hashes, int tokensPerBlock, int promptTokens, boolean exact) {
        if (tokensPerBlock < 1) {
            throw new IllegalArgumentException("tokensPerBlock must be at least 1, got " + tokensPerBlock);
        }
        if (promptTokens < 0) {
            throw new IllegalArgumentException("promptTokens must be at least 0, got " + promptTokens);
        }
        return new PromptBlocks(hashes.clone(), tokensPerBlock, promptTokens, exact);
    }

    /** {@return how many full blocks the prompt has} */
    public int size() {
        return hashes.length;
    }

    /** {@return the hash of the prompt up to the end of this block, counted from 0} */
    public long hash(int block) {
        return hashes[block];
    }

    long[] hashes(int from, int to) {
        return Arrays.copyOfRange(hashes, from, to);
    }

    void copy(int from, int to, long[] target, int at) {
        System.arraycopy(hashes, from, target, at, to - from);
    }

    /** {@return tokens in a block; as estimated, without any learned correction, unless {@link #exact()}} */
    public int tokensPerBlock() {
        return tokensPerBlock;
    }

    /** {@return tokens of the prompt; as estimated, without any learned correction, unless {@link #exact()}} */
    public int promptTokens() {
        return promptTokens;
    }

    /** {@return whether tokens are counted as the engine counts them, rather than estimated} */
    public boolean exact() {
        return exact;
    }

    /** {@return whether they were hashed by {@link #ofTokens}, so that what engines tell can be compared with them} */
    public boolean ofTokens() {
        return ofTokens;
    }

    /**
     * {@return how many blocks can be served from a cache at most: an engine computes at least the last token of a
     * prompt, so the last block of a prompt that ends with it does not count}
     */
    public int matchable() {
        return promptTokens == 0 ? 0 : Math.min(hashes.length, (promptTokens - 1) / tokensPerBlock);
    }

    /** {@return tokens in this many blocks from the start, in the unit of {@link #promptTokens()}} */
    public int tokensIn(int blocks) {
        return (int) Math.min((long) blocks * tokensPerBlock, promptTokens);
    }

    /** {@return the counts, never the hashes} */
    @Override
    public String toString() {
        return "PromptBlocks{" + hashes.length + " of " + tokensPerBlock + " tokens, prompt " + (exact ? "" : "about ")
                + promptTokens + "}";
    }
}
