/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;
import java.util.List;

/**
 * A routing policy that can place many calls at once, seeing all of them: those given to a balancer together. Calls that
 * come alone, and attempts after the first, are picked one at a time.
 */
public interface BatchPlacement extends RoutingPolicy {
    /**
     * Places calls that have the same candidates. What one endpoint gets may be more than it has room for: such calls are
     * then picked one at a time.
     *
     * @param batch the calls, at least one, in the order they were given; valid during the placement
     * @param candidates the endpoints they may go to
     * @param placement receives the endpoint of each call, at the index of the call; null at first, and when left so, the
     *     call is picked alone
     */
    void place(List<RoutingContext> batch, Candidates candidates, EndpointView[] placement);
}
