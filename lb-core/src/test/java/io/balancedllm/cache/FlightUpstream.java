/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import java.time.Duration;
import java.util.List;

/** A generation whose chunks say which generation they are of and which place they have. */
final class FlightUpstream implements SingleFlight.Upstream {
    final SingleFlight.Feed feed;
    private final int number;
    private int sent;
    private long requested;
    private boolean ended;
    private boolean cancelled;
    private long deadline;

    FlightUpstream(SingleFlight.Feed feed, int number) {
        this.feed = feed;
        this.number = number;
    }

    static String piece(int generation, int place) {
        return "<" + generation + "." + place + ">";
    }

    static String text(int generation, int chunks) {
        StringBuilder text = new StringBuilder();
        for (int place = 0; place < chunks; place++) {
            text.append(piece(generation, place));
        }
        return text.toString();
    }

    @Override
    public synchronized void request(int chunks) {
        requested += chunks;
    }

    @Override
    public synchronized void cancel() {
        cancelled = true;
    }

    @Override
    public synchronized void deadline(long nanos) {
        deadline = nanos;
    }

    synchronized boolean cancelled() {
        return cancelled;
    }

    synchronized boolean alive() {
        return !cancelled && !ended;
    }

    synchronized long deadline() {
        return deadline;
    }

    synchronized int sent() {
        return sent;
    }

    synchronized long outstanding() {
        return requested - sent;
    }

    /** Sends what was asked for, up to so many chunks in all. */
    void send(int upTo) {
        while (sent() < upTo && outstanding() > 0 && alive()) {
            sendOne();
        }
    }

    void sendOne() {
        int place;
        synchronized (this) {
            place = sent++;
        }
        feed.chunk(CompletionChunk.text(0, piece(number, place)));
    }

    void complete() {
        synchronized (this) {
            ended = true;
        }
        feed.completed(new DecisionRecord(
                "call",
                "policy",
                "endpoint",
                List.of(),
                List.of(),
                Duration.ZERO,
                null,
                Duration.ZERO,
                new CacheOutcome.Miss()));
    }

    void fail(LlmException.Reason reason) {
        synchronized (this) {
            ended = true;
        }
        feed.failed(new LlmException(reason, "generation " + number + " failed"));
    }

    /** Begins anew if the callers allow it. */
    boolean discard() {
        boolean forgotten = feed.discard();
        synchronized (this) {
            if (forgotten) {
                requested -= sent;
                sent = 0;
            }
        }
        return forgotten;
    }
}
