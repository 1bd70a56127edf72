/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import io.balancedllm.event.AttemptListener;
import io.balancedllm.time.Scheduler;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One attempt of a call: the sink its backend writes to, and the attempt's part of the call's state, which only messages
 * of the call touch.
 */
final class AttemptRun implements GenerationSink {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final Call call;
    final int number;
    final Lease lease;
    final Router.InUse policy;
    final @Nullable AttemptListener listener;
    final long dispatchedNanos;

    @Nullable
    Generation generation;

    @Nullable
    Usage usage;
    /** Chunks asked for and not yet come; {@link Integer#MAX_VALUE} stands for no limit. */
    int outstanding;

    boolean accepted;
    /** The one field that is read elsewhere than in messages: whether there is still something to start. */
    volatile boolean over;

    long firstTokenNanos;
    long lastTokenNanos;
    long lastActivityNanos;
    int outputChunks;
    Scheduler.@Nullable Timer firstTokenTimer;
    Scheduler.@Nullable Timer idleTimer;
    Scheduler.@Nullable Timer stallTimer;

    AttemptRun(
            Call call,
            int number,
            Lease lease,
            Router.InUse policy,
            @Nullable AttemptListener listener,
            long dispatchedNanos) {
        this.call = call;
        this.number = number;
        this.lease = lease;
        this.policy = policy;
        this.listener = listener;
        this.dispatchedNanos = dispatchedNanos;
    }

    PoolMember member() {
        return lease.member();
    }

    boolean hasFirstToken() {
        return outputChunks > 0;
    }

    /** {@return nanoseconds from dispatch to first token, -1 when there was none} */
    long timeToFirstToken() {
        return hasFirstToken() ? firstTokenNanos - dispatchedNanos : -1;
    }

    /** {@return nanoseconds per token after the first, -1 when there were not two} */
    long timePerOutputToken() {
        int tokens = usage == null ? outputChunks : usage.completionTokens();
        return hasFirstToken() && tokens > 1 ? (lastTokenNanos - firstTokenNanos) / (tokens - 1) : -1;
    }

    void cancelTimers() {
        cancel(firstTokenTimer);
        cancel(idleTimer);
        cancel(stallTimer);
        firstTokenTimer = null;
        idleTimer = null;
        stallTimer = null;
    }

    /** Backends do not throw; one that does must not keep the attempt from being closed. */
    void cancelGeneration() {
        Generation running = generation;
        if (running == null) {
            return;
        }
        try {
            running.cancel();
        } catch (Throwable e) {
            LOG.warn("the backend of endpoint {} threw at a cancel", member().id(), e);
        }
    }

    static void cancel(Scheduler.@Nullable Timer timer) {
        if (timer != null) {
            timer.cancel();
        }
    }

    @Override
    public void accepted(ResponseInfo info) {
        call.post(() -> call.accepted(this, info));
    }

    @Override
    public void alive() {
        call.post(() -> call.alive(this));
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        call.post(() -> call.chunk(this, chunk));
    }

    void embeddings(Embeddings embeddings) {
        call.post(() -> call.embeddings(this, embeddings));
    }

    @Override
    public void completed() {
        call.post(() -> call.completed(this));
    }

    @Override
    public void failed(LlmException cause) {
        call.post(() -> call.failed(this, cause));
    }

    @Override
    public void cancelled() {
        call.post(() -> call.failed(
                this,
                new LlmException(
                        LlmException.Reason.UNAVAILABLE, "the backend cancelled the attempt without being asked to")));
    }
}
