/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;

/** Picks any candidate. */
final class UniformRandom implements RoutingPolicy {
    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        return candidates.get(call.random().nextInt(candidates.size()));
    }

    @Override
    public String toString() {
        return "random()";
    }
}
