/* SPDX-License-Identifier: Apache-2.0 */
/** Prints the raw output of a model, to compare it with another implementation. */
@NullMarked
package io.balancedllm.examples.logits;

import org.jspecify.annotations.NullMarked;
