/* SPDX-License-Identifier: Apache-2.0 */

/** Client-side load balancing for LLMs: the facade, the endpoint pool and the life of a call. */
@NullMarked
package io.balancedllm;

import org.jspecify.annotations.NullMarked;
