/* SPDX-License-Identifier: Apache-2.0 */
/** The completion cache in front of the pool: what a cache must do, the exact tier, and identical calls made one. */
@NullMarked
package io.balancedllm.cache;

import org.jspecify.annotations.NullMarked;
