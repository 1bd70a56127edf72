/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.LlmException;
import io.balancedllm.event.CallEnd;
import io.balancedllm.time.Ticker;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Counts the calls of a balancer and measures how long they took. Thread-safe; recording costs some tens of nanoseconds
 * and never waits for a snapshot longer than the copy of a histogram takes. Memory is bounded: at most 70 kB for each of
 * three latencies of the calls, and for each of two latencies of an endpoint that was added and not yet removed.
 *
 * <p>Whoever counts promises one {@link #callEnded} for each {@link #callStarted}, and one end for each start of an
 * attempt. Durations are nanoseconds; a negative one says that there is none.
 */
public final class StatisticsRecorder {
    private final Ticker ticker;
    private final LongAdder callsStarted = new LongAdder();
    private final LongAdder callsCompleted = new LongAdder();
    private final LongAdder callsFailed = new LongAdder();
    private final LongAdder callsCancelled = new LongAdder();
    private final FailureCounts failures = new FailureCounts();
    private final CacheCounts cache = new CacheCounts();
    private final LongAdder attempts = new LongAdder();
    private final LongAdder retries = new LongAdder();
    private final LatencyRecorder timeToFirstToken;
    private final LatencyRecorder duration;
    private final LatencyRecorder waiting;
    private final List<EndpointRecorder> endpoints = new CopyOnWriteArrayList<>();

    /**
     * A recorder that has seen nothing.
     *
     * @param ticker tells which window of time a value belongs to
     */
    public StatisticsRecorder(Ticker ticker) {
        this.ticker = ticker;
        timeToFirstToken = new LatencyRecorder(ticker);
        duration = new LatencyRecorder(ticker);
        waiting = new LatencyRecorder(ticker);
    }

    /** Counts a call that begins. */
    public void callStarted() {
        callsStarted.increment();
    }

    /**
     * Counts a call that ended. Its duration is measured only when it completed: a call that fails at once is not fast.
     *
     * @param outcome how it ended
     * @param failure why it failed; counted only when it did
     * @param timeToFirstTokenNanos from call to first token; negative when there was none
     * @param durationNanos from call to end
     */
    public void callEnded(
            CallEnd.Outcome outcome,
            LlmException.@Nullable Reason failure,
            long timeToFirstTokenNanos,
            long durationNanos) {
        timeToFirstToken.record(timeToFirstTokenNanos);
        switch (outcome) {
            case COMPLETED -> {
                duration.record(durationNanos);
                callsCompleted.increment();
            }
            case FAILED -> {
                failures.increment(failure);
                callsFailed.increment();
            }
            case CANCELLED -> callsCancelled.increment();
        }
    }

    /** Counts what the cache did for a call that ended; nothing where there is no cache. */
    public void cached(CacheOutcome outcome) {
        cache.count(outcome);
    }

    /**
     * Measures the time a call spent in the waiting line.
     *
     * @param nanos how long; negative when it did not wait
     */
    public void waited(long nanos) {
        waiting.record(nanos);
    }

    /**
     * {@return the recorder of an endpoint that joins the pool} Keep it with that generation of the endpoint, so that a
     * late attempt never counts for a successor of the same name.
     *
     * @param id the endpoint's id
     */
    public EndpointRecorder endpointAdded(String id) {
        EndpointRecorder endpoint = new EndpointRecorder(id, ticker, attempts, retries);
        endpoints.add(endpoint);
        return endpoint;
    }

    /**
     * Drops an endpoint that left the pool from the snapshots to come; its attempts stay in the totals. What still ends
     * there is recorded in the dropped recorder and goes with it.
     *
     * @param endpoint what {@link #endpointAdded} returned
     */
    public void endpointRemoved(EndpointRecorder endpoint) {
        endpoints.remove(endpoint);
    }

    /** {@return the numbers as they are now; reads take no common instant, but no end is seen without its start} */
    public LlmStatistics snapshot() {
        List<EndpointStatistics> ofEndpoints = new ArrayList<>();
        for (EndpointRecorder endpoint : endpoints) {
            ofEndpoints.add(endpoint.snapshot());
        }
        // Ends before starts, retries before attempts: what is counted in between can only make the latter more.
        long completed = callsCompleted.sum();
        long failed = callsFailed.sum();
        long cancelled = callsCancelled.sum();
        long retriesSoFar = retries.sum();
        return new LlmStatistics(
                new LlmStatistics.Calls(callsStarted.sum(), completed, failed, cancelled),
                failures.snapshot(),
                attempts.sum(),
                retriesSoFar,
                timeToFirstToken.snapshot(),
                duration.snapshot(),
                waiting.snapshot(),
                cache.snapshot(),
                ofEndpoints);
    }
}
