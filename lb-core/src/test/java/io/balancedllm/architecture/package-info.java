/* SPDX-License-Identifier: Apache-2.0 */

/** The rules of the house that a machine can keep. */
@NullMarked
package io.balancedllm.architecture;

import org.jspecify.annotations.NullMarked;
