/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.AttemptEvent;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;

/** A policy as it is; what the balancer thought to be cached where it sent a call is noted. */
final class WatchedPolicy implements RoutingPolicy {
    private final RoutingPolicy policy;
    private final SimulatedFleet fleet;

    private WatchedPolicy(RoutingPolicy policy, SimulatedFleet fleet) {
        this.policy = policy;
        this.fleet = fleet;
    }

    /** {@return the policy, watched unless it notes that itself} */
    static RoutingPolicy of(RoutingPolicy policy, SimulatedFleet fleet) {
        return policy instanceof Rival ? policy : new WatchedPolicy(policy, fleet);
    }

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        return policy.pick(call, candidates);
    }

    @Override
    public void observe(AttemptEvent event) {
        if (event instanceof AttemptEvent.Dispatched dispatched) {
            fleet.predict(event.callId(), dispatched.cachedTokens());
        }
        policy.observe(event);
    }

    @Override
    public String toString() {
        return policy.toString();
    }
}
