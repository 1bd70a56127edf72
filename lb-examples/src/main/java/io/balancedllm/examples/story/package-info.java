/* SPDX-License-Identifier: Apache-2.0 */
/** Streams a story from a balanced fleet to the terminal. */
@NullMarked
package io.balancedllm.examples.story;

import org.jspecify.annotations.NullMarked;
