/* SPDX-License-Identifier: Apache-2.0 */

/** Which endpoint probably has which part of a prompt in its cache: prompts as blocks, and an index of who holds them. */
@NullMarked
package io.balancedllm.prefix;

import org.jspecify.annotations.NullMarked;
