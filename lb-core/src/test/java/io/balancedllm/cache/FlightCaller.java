/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A caller that writes down what it is given, and hands it on from {@code handedOnAt} characters. */
final class FlightCaller implements SingleFlight.Caller {
    private final List<FlightUpstream> upstreams;
    private final int handedOnAt;
    private final AtomicInteger running = new AtomicInteger();
    private final StringBuilder text = new StringBuilder();
    private boolean handedOn;
    volatile boolean completed;
    volatile @Nullable LlmException failure;
    int led;

    /** A caller whose generations are added to {@code upstreams}. */
    FlightCaller(List<FlightUpstream> upstreams, int handedOnAt) {
        this.upstreams = upstreams;
        this.handedOnAt = handedOnAt;
    }

    synchronized String text() {
        return text.toString();
    }

    boolean ended() {
        return completed || failure != null;
    }

    @Override
    public void lead(SingleFlight.Feed feed) {
        led++;
        FlightUpstream upstream = new FlightUpstream(feed, upstreams.size());
        upstreams.add(upstream);
        feed.started(upstream);
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        enter();
        synchronized (this) {
            text.append(chunk.text());
            handedOn |= text.length() >= handedOnAt;
        }
        running.decrementAndGet();
    }

    @Override
    public synchronized boolean discard() {
        if (handedOn) {
            return false;
        }
        text.setLength(0);
        return true;
    }

    @Override
    public synchronized boolean delivered() {
        return handedOn;
    }

    @Override
    public void completed(DecisionRecord decision) {
        enter();
        completed = true;
        running.decrementAndGet();
    }

    @Override
    public void failed(LlmException cause) {
        enter();
        failure = cause;
        running.decrementAndGet();
    }

    private void enter() {
        if (running.incrementAndGet() != 1 || ended()) {
            throw new AssertionError("called twice at a time, or after the end");
        }
    }
}
