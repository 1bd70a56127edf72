/* SPDX-License-Identifier: Apache-2.0 */

/** What the balancer's engine promises, tested from outside. */
@NullMarked
package io.balancedllm.testkit.engine;

import org.jspecify.annotations.NullMarked;
