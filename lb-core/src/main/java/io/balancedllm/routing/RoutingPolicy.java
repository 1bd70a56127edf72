/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;

/**
 * Chooses the endpoint of the next attempt. The one interface to implement for a policy of one's own; extend the
 * contract kit of {@code lb-testkit} to test it, and give it a {@code toString} with its parameters.
 *
 * <p>Thread-safe: picks run at the same time, on callers' threads and on the balancer's loop. A policy only chooses; the
 * balancer counts, filters and retries.
 */
@FunctionalInterface
public interface RoutingPolicy {
    /**
     * Chooses an endpoint. Must neither block nor lock, and takes time in proportion to the candidates at most. Throwing,
     * or returning anything but a candidate, fails the call as a defect of the policy.
     *
     * @param call what is to be routed
     * @param candidates the endpoints that may serve it now: eligible, with room, not tried yet; never empty
     * @return one of the candidates
     */
    EndpointView pick(RoutingContext call, Candidates candidates);

    /**
     * Tells what became of the attempts: dispatched, first token, ended, once each and in this order, for all attempts
     * of the balancer. Runs on the loop, off the path of picks; the default does nothing.
     *
     * @param event what happened
     */
    default void observe(AttemptEvent event) {}
}
