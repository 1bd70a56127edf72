/* SPDX-License-Identifier: Apache-2.0 */

/** A semantic LRU cache behind the completion cache of the core, and embedders for it. */
@NullMarked
package io.balancedllm.cache.semantic;

import org.jspecify.annotations.NullMarked;
