/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.EndpointView;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What became of an attempt, for policies that learn. Immutable. */
public sealed interface AttemptEvent {
    /** {@return the call the attempt belongs to} */
    String callId();

    /** {@return 1 for the first attempt of its call} */
    int attempt();

    /** {@return where it went} */
    EndpointView endpoint();

    /** {@return when, in nanoseconds of the balancer's ticker} */
    long nanos();

    /**
     * It was handed to its backend.
     *
     * @param callId the call
     * @param attempt its number
     * @param endpoint where it goes
     * @param nanos when
     * @param promptTokens tokens of its prompt; 0 unless the policy asks for {@link RoutingContext#promptTokens}
     * @param cachedTokens how many of them the endpoint was thought to have cached; 0 unless the policy asks
     */
    record Dispatched(String callId, int attempt, EndpointView endpoint, long nanos, int promptTokens, int cachedTokens)
            implements AttemptEvent {}

    /**
     * Its first token came.
     *
     * @param callId the call
     * @param attempt its number
     * @param endpoint where it runs
     * @param nanos when
     * @param sinceDispatchNanos how long after its dispatch
     */
    record FirstToken(String callId, int attempt, EndpointView endpoint, long nanos, long sinceDispatchNanos)
            implements AttemptEvent {}

    /**
     * It ended, in whatever way.
     *
     * @param callId the call
     * @param attempt its number
     * @param endpoint where it ran
     * @param nanos when
     * @param summary how it ended
     * @param usageOrNull what it cost, null when the engine did not say
     */
    record Ended(
            String callId,
            int attempt,
            EndpointView endpoint,
            long nanos,
            AttemptSummary summary,
            @Nullable Usage usageOrNull)
            implements AttemptEvent {
        /** {@return what it cost, when the engine says} */
        public Optional<Usage> usage() {
            return Optional.ofNullable(usageOrNull);
        }
    }
}
