/* SPDX-License-Identifier: Apache-2.0 */
/** Which endpoints a command balances over, from its options. */
@NullMarked
package io.balancedllm.examples.fleet;

import org.jspecify.annotations.NullMarked;
