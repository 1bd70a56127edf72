/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

/** Whether an endpoint of a pool takes new attempts. */
public enum EndpointState {
    /** Takes new attempts. */
    ACTIVE,
    /** Was asked to take no new ones; those in flight go on. */
    DRAINING,
    /** Has left the pool; attempts in flight go on to their end. */
    REMOVED
}
