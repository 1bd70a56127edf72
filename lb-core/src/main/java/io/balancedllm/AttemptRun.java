/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import io.balancedllm.event.AttemptListener;
import java.time.Duration;
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
    final @Nullable String model;
    final @Nullable AttemptListener listener;
    final long dispatchedNanos;
    final AttemptTimers timers;

    @Nullable
    Generation generation;

    @Nullable
    Usage usage;
    /** Chunks asked for and not yet come; {@link Integer#MAX_VALUE} stands for no limit. */
    int outstanding;

    boolean accepted;
    /** The one field that is read elsewhere than in messages: whether there is still something to start. */
    volatile boolean over;

    /** Whether the endpoint's silence would keep somebody waiting. */
    private boolean waiting;

    long firstTokenNanos;
    long lastTokenNanos;
    int outputChunks;

    AttemptRun(
            Call call,
            EngineRoom room,
            int number,
            Lease lease,
            Router.Route route,
            @Nullable AttemptListener listener) {
        this.call = call;
        this.number = number;
        this.lease = lease;
        this.policy = route.policy();
        this.model = route.model();
        this.listener = listener;
        this.dispatchedNanos = room.nanos();
        this.timers = new AttemptTimers(room, this);
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

    // What the endpoint's judge is told, where there is one.

    void begins(long nowNanos) {
        MemberHealth judge = member().health();
        if (judge != null) {
            waiting = true;
            judge.begins(lease, nowNanos);
        }
    }

    void waitsNoMore() {
        MemberHealth judge = member().health();
        if (judge != null && waiting) {
            waiting = false;
            judge.waitsNoMore();
        }
    }

    private void judged(AttemptSummary.Outcome outcome, @Nullable LlmException failure, long nowNanos) {
        waitsNoMore();
        MemberHealth judge = member().health();
        if (judge != null) {
            judge.ended(lease, outcome, failure, nowNanos);
        }
    }

    /** Ends its timers, its lease and, unless it came to its end by itself, its generation; once. */
    void ends(AttemptSummary.Outcome outcome, @Nullable LlmException failure, long nowNanos) {
        boolean completed = outcome == AttemptSummary.Outcome.COMPLETED;
        over = true;
        timers.cancelAll();
        judged(outcome, failure, nowNanos); // before the lease is released
        lease.ended(nowNanos, usage, outputChunks, completed);
        if (!completed) {
            cancelGeneration();
        }
        if (failure != null) {
            member().failed(failure.reason());
        }
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

    // ---- from its timers: messages ----

    void post(Runnable message) {
        call.post(() -> {
            if (!over) {
                message.run();
            }
        });
    }

    void fail(LlmException cause) {
        call.end(this, cause);
    }

    void readerStalled(Duration limit) {
        call.fail(new LlmException(LlmException.Reason.READER_STALLED, "the stream was not read for " + limit));
    }

    // ---- from its backend: any thread ----

    @Override
    public void accepted(ResponseInfo info) {
        call.post(() -> call.reception().accepted(this, info));
    }

    @Override
    public void alive() {
        call.post(() -> call.reception().alive(this));
    }

    @Override
    public void report(EngineReport report) {
        member().report(report);
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        call.post(() -> call.reception().chunk(this, chunk));
    }

    void embeddings(Embeddings embeddings) {
        call.post(() -> call.reception().embeddings(this, embeddings));
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
