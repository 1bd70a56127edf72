/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import java.util.Map;
import java.util.Optional;

/**
 * What a routing policy sees of an endpoint. Numbers are live: each read gives the value of that moment. One object for
 * each generation of an endpoint, so identity is equality: an endpoint that left and came back is another object.
 * Thread-safe; reads neither lock nor allocate.
 */
public interface EndpointView {
    /** {@return the endpoint's id} */
    String id();

    /** {@return its weight, above 0} */
    double weight();

    /** {@return its labels} */
    Map<String, String> labels();

    /** {@return how many attempts it takes at a time} */
    int maxConcurrency();

    /** {@return attempts of this balancer running there now} */
    int inFlight();

    /** {@return what its engine said last about the load of all its clients; empty when it said nothing, or too long ago} */
    Optional<EngineReport> report();

    /**
     * {@return what a policy keeps for this endpoint, made on first use; it goes with this generation of the endpoint,
     * and may be dropped and made anew when the policy is switched}
     *
     * @param local which of the policy's states
     * @param <T> its type
     */
    <T> T local(EndpointLocal<T> local);
}
