/* SPDX-License-Identifier: Apache-2.0 */

/** What happened so far, in numbers: counts of calls and attempts, and their latencies. */
@NullMarked
package io.balancedllm.metrics;

import org.jspecify.annotations.NullMarked;
