/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

/**
 * Takes what one engine tells of its prefix cache, in the shape of the KV events of vLLM and SGLang: blocks stored, blocks
 * removed, all cleared. Blocks are named by the hashes of {@link io.balancedllm.prefix.PromptBlocks#ofTokens}.
 *
 * <p>Calls are serial, in the order in which the cache changed, from the engine's own thread: they return at once and
 * throw nothing. A telling begins with {@link #cleared} and then {@link #stored} for what is there already, so that a
 * listener that comes late, or comes back after it lost something, needs no other way to catch up.
 *
 * @see <a href="https://docs.vllm.ai/en/latest/api/vllm/distributed/kv_events/">KV cache events of vLLM</a>
 */
public interface KvListener {
    /**
     * These blocks are in the cache from now on. A block may be told again; that says that it was used.
     *
     * @param hashes one after the other along a prompt, the first one following {@code parent}
     * @param parent the hash of the block before them; 0 where they begin a prompt
     * @param tokensPerBlock tokens in each of them
     */
    void stored(long[] hashes, long parent, int tokensPerBlock);

    /** These blocks are no longer in the cache. */
    void removed(long[] hashes);

    /** Nothing is in the cache. */
    void cleared();
}
