/* SPDX-License-Identifier: Apache-2.0 */
/** Measures this library against doing without it. */
@NullMarked
package io.balancedllm.examples.bench;

import org.jspecify.annotations.NullMarked;
