/* SPDX-License-Identifier: Apache-2.0 */
/** Trains the built-in story model: a grammar that writes stories, and the command that learns from them. */
@NullMarked
package io.balancedllm.examples.train;

import org.jspecify.annotations.NullMarked;
