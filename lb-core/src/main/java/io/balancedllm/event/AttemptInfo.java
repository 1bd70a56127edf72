/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

/**
 * An attempt that begins. Immutable.
 *
 * @param callId the call it belongs to
 * @param number 1 for the first attempt of its call
 * @param endpoint id of the endpoint it goes to
 * @param policy the routing policy that chose it, as its {@code toString} tells it
 */
public record AttemptInfo(String callId, int number, String endpoint, String policy) {}
