/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.time.Ticker;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Counts the attempts of one generation of an endpoint; {@link StatisticsRecorder#endpointAdded} makes it. Thread-safe,
 * at the same cost.
 */
public final class EndpointRecorder {
    private final String id;
    private final LongAdder allAttempts;
    private final LongAdder allRetries;
    private final AtomicLong started = new AtomicLong();
    private final AtomicLong completed = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private final AtomicLong cancelled = new AtomicLong();
    private final Map<HealthState, Long> healthChanges = new ConcurrentHashMap<>();
    private final FailureCounts failures = new FailureCounts();
    private final LatencyRecorder timeToFirstToken;
    private final LatencyRecorder timePerOutputToken;

    EndpointRecorder(String id, Ticker ticker, LongAdder allAttempts, LongAdder allRetries) {
        this.id = id;
        this.allAttempts = allAttempts;
        this.allRetries = allRetries;
        timeToFirstToken = new LatencyRecorder(ticker);
        timePerOutputToken = new LatencyRecorder(ticker);
    }

    /**
     * Counts an attempt that begins.
     *
     * @param number 1 for the first attempt of its call; any other is a retry
     */
    public void attemptStarted(int number) {
        started.incrementAndGet();
        allAttempts.increment();
        if (number > 1) {
            allRetries.increment();
        }
    }

    /**
     * Counts an attempt that ended.
     *
     * @param outcome how it ended
     * @param failure why it failed; counted only when it did
     * @param timeToFirstTokenNanos from dispatch to first token; negative when there was none
     * @param timePerOutputTokenNanos from first to last token over the tokens after the first; negative when unknown
     */
    public void attemptEnded(
            AttemptSummary.Outcome outcome,
            LlmException.@Nullable Reason failure,
            long timeToFirstTokenNanos,
            long timePerOutputTokenNanos) {
        timeToFirstToken.record(timeToFirstTokenNanos);
        timePerOutputToken.record(timePerOutputTokenNanos);
        switch (outcome) {
            case COMPLETED -> completed.incrementAndGet();
            case FAILED -> {
                failures.increment(failure);
                failed.incrementAndGet();
            }
            case CANCELLED -> cancelled.incrementAndGet();
        }
    }

    /**
     * Counts a change of what is thought of the endpoint.
     *
     * @param to what it is now
     */
    public void healthChanged(HealthState to) {
        healthChanges.merge(to, 1L, Long::sum);
    }

    EndpointStatistics snapshot() {
        // Ends before starts: what is counted in between can only make the running ones more.
        long completedSoFar = completed.get();
        long failedSoFar = failed.get();
        long cancelledSoFar = cancelled.get();
        return new EndpointStatistics(
                id,
                started.get(),
                completedSoFar,
                failedSoFar,
                cancelledSoFar,
                failures.snapshot(),
                timeToFirstToken.snapshot(),
                timePerOutputToken.snapshot(),
                new TreeMap<>(healthChanges));
    }

    @Override
    public String toString() {
        return "EndpointRecorder{" + id + "}";
    }
}
