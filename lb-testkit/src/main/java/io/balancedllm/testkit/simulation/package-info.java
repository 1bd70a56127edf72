/* SPDX-License-Identifier: Apache-2.0 */

/**
 * Replays traces of LLM traffic through a real balancer on virtual time: what a routing policy is worth, in seconds of
 * computing.
 */
@NullMarked
package io.balancedllm.testkit.simulation;

import org.jspecify.annotations.NullMarked;
