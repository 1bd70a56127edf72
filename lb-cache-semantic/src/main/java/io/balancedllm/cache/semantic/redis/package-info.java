/* SPDX-License-Identifier: Apache-2.0 */

/** Semantic caches of several processes, held together by Redis or Valkey. Needs Lettuce, an optional dependency. */
@NullMarked
package io.balancedllm.cache.semantic.redis;

import org.jspecify.annotations.NullMarked;
