/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;

/**
 * Turns a request into the blocks that endpoints are expected to cache: two prompts share their first k blocks exactly
 * when an engine could serve the second's first k blocks from what it computed for the first.
 *
 * <p>Thread-safe: it runs on callers' threads, once a call. Must neither block nor throw on a valid request, and give
 * equal blocks for equal requests, in any order of calls.
 */
@FunctionalInterface
public interface PromptEncoder {
    /**
     * {@return the prompt as blocks}
     *
     * @param request what is asked
     * @param options how it is served; its session may help to find work done before, and never changes the result
     */
    PromptBlocks encode(CompletionRequest request, CallOptions options);

    /**
     * {@return an encoder that needs no tokenizer: blocks of 256 bytes of the prompt's UTF-8, taken for 64 tokens}
     *
     * <p>Blocks depend on model, adapter, cache salt, tools and messages, in this order, and on everything else in the
     * request that templates render. The next turn of a conversation is recognised by tenant and session, and costs
     * only what is new in it.
     */
    static PromptEncoder bytes() {
        return bytes(BytesEncoder.TOKENS_PER_BLOCK);
    }

    /**
     * {@return {@link #bytes()} with blocks of another size, for models with a small context}
     *
     * <p>A common beginning shorter than a block is not seen. Halving the size doubles what the index of prefixes holds for
     * the same prompts.
     *
     * @param tokensPerBlock 1 to 4,096, of four bytes each
     */
    static PromptEncoder bytes(int tokensPerBlock) {
        return new BytesEncoder(tokensPerBlock);
    }
}
