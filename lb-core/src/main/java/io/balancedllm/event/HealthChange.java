/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

import io.balancedllm.endpoint.HealthState;

/**
 * A change of what the balancer thinks of an endpoint. Immutable.
 *
 * @param from what it was
 * @param to what it is
 * @param reason why, in words
 */
public record HealthChange(HealthState from, HealthState to, String reason) {}
