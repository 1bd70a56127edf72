/* SPDX-License-Identifier: Apache-2.0 */

/**
 * The facade {@link io.balancedllm.BalancedLlm}, the {@link io.balancedllm.EndpointPool} behind it, and the engine room:
 * the state machine of a call, its leases and the waiting line.
 */
@NullMarked
package io.balancedllm;

import org.jspecify.annotations.NullMarked;
