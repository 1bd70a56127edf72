/* SPDX-License-Identifier: Apache-2.0 */
/** The command that replays traces on simulated engines. */
@NullMarked
package io.balancedllm.examples.simulate;

import org.jspecify.annotations.NullMarked;
