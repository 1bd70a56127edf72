/* SPDX-License-Identifier: Apache-2.0 */

/** What a call does about endpoints that fail, are slow or are full: retry, hedging, admission. */
@NullMarked
package io.balancedllm.resilience;

import org.jspecify.annotations.NullMarked;
