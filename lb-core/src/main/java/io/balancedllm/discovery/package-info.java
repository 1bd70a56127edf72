/* SPDX-License-Identifier: Apache-2.0 */

/** Where the endpoints of a pool come from when they change: files, DNS, workers that announce themselves. */
@NullMarked
package io.balancedllm.discovery;

import org.jspecify.annotations.NullMarked;
