/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.prefix.PromptBlocks;
import org.jspecify.annotations.Nullable;

/**
 * What routing knows of a call from before its picks: its prompt, encoded once for all its attempts when somebody asks, and
 * its place in a batch. Used where attempts are routed.
 */
final class CallPrompt {
    private final PoolLoad pool;
    private final Work work;
    private final CallOptions options;
    private volatile @Nullable PromptBlocks blocks;
    private volatile @Nullable PoolMember placed;

    CallPrompt(PoolLoad pool, Work work, CallOptions options) {
        this.pool = pool;
        this.work = work;
        this.options = options;
    }

    /** Keeps the endpoint that a batch placement chose for the first attempt. */
    void placedAt(PoolMember member) {
        placed = member;
    }

    /** {@return where a batch placement wants the call; once, null from then on} */
    @Nullable
    PoolMember takePlacement() {
        PoolMember taken = placed;
        placed = null;
        return taken;
    }

    PoolLoad pool() {
        return pool;
    }

    PromptBlocks blocks() {
        PromptBlocks known = blocks;
        if (known == null) {
            known = pool.encode(work, options);
            blocks = known;
        }
        return known;
    }
}
