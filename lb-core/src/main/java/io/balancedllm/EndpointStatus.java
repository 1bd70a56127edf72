/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.HealthState;
import java.util.Map;
import java.util.Set;

/**
 * An endpoint of a pool as it was at one moment. Immutable.
 *
 * @param id its id
 * @param generation which generation of it
 * @param state whether it is in the pool, and wanted there
 * @param health what is thought of it, which says whether it takes new attempts
 * @param healthReason why, in words
 * @param weight its weight
 * @param maxConcurrency how many attempts it takes at a time
 * @param inFlight attempts running there
 * @param models the models it lists, by the names requests use; empty when it lists none
 * @param labels its labels
 */
public record EndpointStatus(
        String id,
        long generation,
        EndpointState state,
        HealthState health,
        String healthReason,
        double weight,
        int maxConcurrency,
        int inFlight,
        Set<String> models,
        Map<String, String> labels) {}
