/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import io.balancedllm.completion.LlmException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a balancer did since it was built. Immutable. Its text form is made for people, and may change. */
public final class LlmStatistics {
    private final Calls calls;
    private final Map<LlmException.Reason, Long> failures;
    private final long attempts;
    private final long retries;
    private final LatencyStatistics timeToFirstToken;
    private final LatencyStatistics duration;
    private final LatencyStatistics waiting;
    private final CacheStatistics cache;
    private final List<EndpointStatistics> endpoints;

    LlmStatistics(
            Calls calls,
            Map<LlmException.Reason, Long> failures,
            long attempts,
            long retries,
            LatencyStatistics timeToFirstToken,
            LatencyStatistics duration,
            LatencyStatistics waiting,
            CacheStatistics cache,
            List<EndpointStatistics> endpoints) {
        this.calls = calls;
        this.failures = failures;
        this.attempts = attempts;
        this.retries = retries;
        this.timeToFirstToken = timeToFirstToken;
        this.duration = duration;
        this.waiting = waiting;
        this.cache = cache;
        this.endpoints = List.copyOf(endpoints);
    }

    /** {@return calls that began} */
    public long calls() {
        return calls.started;
    }

    /** {@return calls that ended with their answer} */
    public long completed() {
        return calls.completed;
    }

    /** {@return calls that ended with an error} */
    public long failed() {
        return calls.failed;
    }

    /** {@return calls whose caller wanted no more of them} */
    public long cancelled() {
        return calls.cancelled;
    }

    /** {@return calls that have not ended} */
    public long running() {
        return calls.started - calls.completed - calls.failed - calls.cancelled;
    }

    /** {@return how often each reason made a call fail; reasons that did not occur are absent} */
    public Map<LlmException.Reason, Long> failures() {
        return failures;
    }

    /** {@return attempts that began, those at endpoints that have left included} */
    public long attempts() {
        return attempts;
    }

    /** {@return attempts that were not the first of their call} */
    public long retries() {
        return retries;
    }

    /** {@return from call to first token (TTFT), waiting and retries included, of all calls that had one} */
    public LatencyStatistics timeToFirstToken() {
        return timeToFirstToken;
    }

    /** {@return from call to end, of the calls that completed} */
    public LatencyStatistics duration() {
        return duration;
    }

    /** {@return time in the waiting line, of the calls that waited} */
    public LatencyStatistics waiting() {
        return waiting;
    }

    /** {@return what the cache did for the calls that ended; all zero without one} */
    public CacheStatistics cache() {
        return cache;
    }

    /** {@return the endpoints in the pool, in the order they joined} */
    public List<EndpointStatistics> endpoints() {
        return endpoints;
    }

    /** {@return the endpoint with this id, if it is in the pool; the latest to join, while an old one is leaving} */
    public Optional<EndpointStatistics> endpoint(String id) {
        return endpoints.stream().filter(endpoint -> endpoint.id().equals(id)).reduce((older, newer) -> newer);
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder()
                .append(calls.started + " calls, " + calls.completed + " completed, " + calls.failed + " failed")
                .append(Text.failures(failures))
                .append(", " + calls.cancelled + " cancelled, " + running() + " running; ")
                .append(attempts + " attempts, " + retries + " of them retries")
                .append("\n  TTFT: " + timeToFirstToken)
                .append("\n  duration: " + duration)
                .append("\n  waiting: " + waiting);
        if (cache.calls() > 0) {
            text.append("\n  cache: " + cache);
        }
        for (EndpointStatistics endpoint : endpoints) {
            text.append("\n  ").append(endpoint);
        }
        return text.toString();
    }

    /** The counts of calls, which would be easy to confuse as arguments. */
    record Calls(long started, long completed, long failed, long cancelled) {}
}
