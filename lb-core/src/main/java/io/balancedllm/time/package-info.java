/* SPDX-License-Identifier: Apache-2.0 */

/** The only place that reads a clock, sleeps on timers or draws shared random numbers. */
@NullMarked
package io.balancedllm.time;

import org.jspecify.annotations.NullMarked;
