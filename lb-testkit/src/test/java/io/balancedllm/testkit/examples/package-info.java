/* SPDX-License-Identifier: Apache-2.0 */

/** Small programs against the public types, as users write them. */
@NullMarked
package io.balancedllm.testkit.examples;

import org.jspecify.annotations.NullMarked;
