/* SPDX-License-Identifier: Apache-2.0 */
/** What the semantic cache is worth: its report. */
@NullMarked
package io.balancedllm.examples.cache;

import org.jspecify.annotations.NullMarked;
