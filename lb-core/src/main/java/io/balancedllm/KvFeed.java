/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.KvListener;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.prefix.HolderState;
import io.balancedllm.prefix.HolderState.Level;
import io.balancedllm.prefix.PrefixHolder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Hands on to the index what an endpoint itself tells of its prefix cache, which is exact from then on. */
final class KvFeed implements KvListener {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointPool.class);

    private final PrefixHolder holder;
    private final int tokensPerBlock;
    private volatile boolean ended;
    private boolean mismatch;

    private KvFeed(PrefixHolder holder, int tokensPerBlock) {
        this.holder = holder;
        this.tokensPerBlock = tokensPerBlock;
    }

    /**
     * Listens to a backend, if it tells anything.
     *
     * @param tokensPerBlock of the blocks that prompts are encoded to
     * @return ends it
     */
    static Runnable open(LlmBackend backend, PrefixHolder holder, int tokensPerBlock) {
        KvFeed feed = new KvFeed(holder, tokensPerBlock);
        try {
            Runnable end = backend.tellKvEvents(feed).orElse(() -> {});
            return () -> {
                feed.ended = true;
                end.run();
            };
        } catch (RuntimeException e) {
            LOG.warn("the backend of endpoint {} does not tell its KV events", holder.id(), e);
            return () -> {};
        }
    }

    @Override
    public void cleared() {
        if (!ended) {
            mismatch = false;
            holder.cleared();
            holder.state(new HolderState(Level.EXACT, "told by the engine"));
        }
    }

    @Override
    public void stored(long[] hashes, long parent, int tokensPerBlock) {
        if (ended) {
            return;
        }
        if (tokensPerBlock == this.tokensPerBlock) {
            holder.stored(hashes, parent);
        } else if (!mismatch) {
            mismatch = true;
            holder.state(new HolderState(
                    Level.DEGRADED,
                    "the engine tells blocks of " + tokensPerBlock + " tokens, prompts come in blocks of "
                            + this.tokensPerBlock));
        }
    }

    @Override
    public void removed(long[] hashes) {
        if (!ended) {
            holder.removed(hashes);
        }
    }
}
