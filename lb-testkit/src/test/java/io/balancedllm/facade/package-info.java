/* SPDX-License-Identifier: Apache-2.0 */

/** The whole library over real sockets against servers that misbehave. */
@NullMarked
package io.balancedllm.facade;

import org.jspecify.annotations.NullMarked;
