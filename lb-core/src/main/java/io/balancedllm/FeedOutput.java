/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.cache.SingleFlight;
import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionCollector;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Hands the answer of a call to those who share it, and collects it for the cache as long as it may be kept there. */
final class FeedOutput implements Output {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final Operation operation;
    private final SingleFlight.Feed feed;
    private Consumer<Completion> onWhole = answer -> {};
    private @Nullable CompletionCollector collector;
    private long bytes;
    /** Chunks asked for and not yet come. */
    private int credit;

    private volatile @Nullable DecisionRecord decision;

    FeedOutput(Operation operation, SingleFlight.Feed feed) {
        this.operation = operation;
        this.feed = feed;
        this.collector = new CompletionCollector(operation);
    }

    /** Sets who keeps the answer. */
    void onWhole(Consumer<Completion> keeper) {
        onWhole = keeper;
    }

    @Nullable
    DecisionRecord decision() {
        return decision;
    }

    @Override
    public void granted(int chunks) {
        credit += chunks;
    }

    /** At least one: the flight asks again for what was discarded, perhaps a moment later. */
    @Override
    public int initialDemand() {
        return Math.max(1, credit);
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        credit = Math.max(0, credit - 1);
        bytes += StoredAnswer.bytesOf(chunk);
        if (bytes > SingleFlight.DEFAULT_MAXIMUM_REPLAY_BYTES) {
            collector = null; // too long to be kept
        } else if (collector != null) {
            collector.add(chunk);
        }
        feed.chunk(chunk);
    }

    @Override
    public boolean discard() {
        if (!feed.discard()) {
            return false;
        }
        collector = new CompletionCollector(operation);
        bytes = 0;
        credit = 0;
        return true;
    }

    @Override
    public boolean delivered() {
        return feed.delivered();
    }

    /** Everybody keeps what was taken of it. */
    @Override
    public String partialText() {
        return "";
    }

    @Override
    public Runnable completed(DecisionRecord made) {
        Completion whole = whole();
        decision = made;
        return () -> {
            if (whole != null) {
                onWhole.accept(whole);
            }
            feed.completed(made);
        };
    }

    private @Nullable Completion whole() {
        try {
            return collector == null ? null : collector.completion();
        } catch (LlmException e) {
            LOG.debug("the answer is not kept: it cannot be put together", e); // who collects it will say so
            return null;
        }
    }

    @Override
    public void failed(LlmException failure, DecisionRecord made) {
        decision = made;
        feed.failed(failure);
    }
}
