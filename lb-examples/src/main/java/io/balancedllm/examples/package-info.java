/* SPDX-License-Identifier: Apache-2.0 */

/** Runnable examples, reports and benchmarks. */
@NullMarked
package io.balancedllm.examples;

import org.jspecify.annotations.NullMarked;
