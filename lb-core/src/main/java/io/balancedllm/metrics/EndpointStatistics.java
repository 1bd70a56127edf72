/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.HealthState;
import java.util.Collections;
import java.util.Map;

/** What happened at one endpoint since it joined the pool. Immutable. */
public final class EndpointStatistics {
    private final String id;
    private final long attempts;
    private final long completed;
    private final long failed;
    private final long cancelled;
    private final Map<LlmException.Reason, Long> failures;
    private final LatencyStatistics timeToFirstToken;
    private final LatencyStatistics timePerOutputToken;
    private final Map<HealthState, Long> healthChanges;

    EndpointStatistics(
            String id,
            long attempts,
            long completed,
            long failed,
            long cancelled,
            Map<LlmException.Reason, Long> failures,
            LatencyStatistics timeToFirstToken,
            LatencyStatistics timePerOutputToken,
            Map<HealthState, Long> healthChanges) {
        this.id = id;
        this.attempts = attempts;
        this.completed = completed;
        this.failed = failed;
        this.cancelled = cancelled;
        this.failures = failures;
        this.timeToFirstToken = timeToFirstToken;
        this.timePerOutputToken = timePerOutputToken;
        this.healthChanges = Collections.unmodifiableMap(healthChanges);
    }

    /** {@return the endpoint's id} */
    public String id() {
        return id;
    }

    /** {@return attempts that began} */
    public long attempts() {
        return attempts;
    }

    /** {@return attempts that brought the whole answer} */
    public long completed() {
        return completed;
    }

    /** {@return attempts that failed} */
    public long failed() {
        return failed;
    }

    /** {@return attempts that were told to stop; they say nothing about the endpoint} */
    public long cancelled() {
        return cancelled;
    }

    /** {@return attempts that have not ended} */
    public long running() {
        return attempts - completed - failed - cancelled;
    }

    /** {@return how often each reason made an attempt fail; reasons that did not occur are absent} */
    public Map<LlmException.Reason, Long> failures() {
        return failures;
    }

    /** {@return from dispatch to first token, of all attempts that had one} */
    public LatencyStatistics timeToFirstToken() {
        return timeToFirstToken;
    }

    /** {@return from first to last token over the tokens after the first, of all attempts that had two} */
    public LatencyStatistics timePerOutputToken() {
        return timePerOutputToken;
    }

    /** {@return how often its health changed to each state; states it never changed to are absent} */
    public Map<HealthState, Long> healthChanges() {
        return healthChanges;
    }

    @Override
    public String toString() {
        return id + ": " + attempts + " attempts, " + completed + " completed, " + failed + " failed"
                + Text.failures(failures) + ", " + cancelled + " cancelled, " + running() + " running; TTFT "
                + timeToFirstToken.recent() + "; TPOT " + timePerOutputToken.recent();
    }
}
