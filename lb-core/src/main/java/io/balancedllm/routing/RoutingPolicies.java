/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import java.util.Collections;
import java.util.Comparator;

/** Stub. */
public final class RoutingPolicies {
    private RoutingPolicies() {}

    /** Stub. */
    public static RoutingPolicy leastConnections() {
        return (c, l) -> Collections.min(l, Comparator.comparingInt(io.balancedllm.endpoint.EndpointView::inFlight));
    }
}
