/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Why a call went where it went, and what became of it. Who served it and how long it took are always told; candidates
 * and their cost terms only when {@link CallOptions#explain()} asks for them. Immutable.
 *
 * @param callId identifies the call in logs and events
 * @param policy the routing policy with its parameters, as its {@code toString} tells them
 * @param endpoint id of the endpoint that answered, or of the last attempt; empty when none was made
 * @param candidates who could have been picked at the last pick; empty unless explained
 * @param attempts every attempt, in order
 * @param waited time in the waiting line, zero when the call did not wait
 * @param timeToFirstTokenOrNull from call to first token; null when there was none
 * @param duration from call to end
 * @param cache what the cache did for the call; {@link CacheOutcome.Bypass#OFF} where there is none
 */
public record DecisionRecord(
        String callId,
        String policy,
        String endpoint,
        List<Candidate> candidates,
        List<AttemptSummary> attempts,
        Duration waited,
        @Nullable Duration timeToFirstTokenOrNull,
        Duration duration,
        CacheOutcome cache) {
    /** Copies the lists. */
    public DecisionRecord {
        candidates = List.copyOf(candidates);
        attempts = List.copyOf(attempts);
    }

    /** {@return the time from call to first token (TTFT), if there was one} */
    public Optional<Duration> timeToFirstToken() {
        return Optional.ofNullable(timeToFirstTokenOrNull);
    }

    /**
     * An endpoint that could have been picked.
     *
     * @param endpoint its id
     * @param inFlight attempts running there when the pick was made
     * @param picked whether it was the one
     * @param terms what the policy weighed, by name, in the order it did
     */
    public record Candidate(String endpoint, int inFlight, boolean picked, Map<String, Double> terms) {}
}
