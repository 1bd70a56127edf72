/* SPDX-License-Identifier: Apache-2.0 */
/** The command that compares all routing policies, on generated traces or on the cells the documents quote. */
@NullMarked
package io.balancedllm.examples.compare;

import org.jspecify.annotations.NullMarked;
