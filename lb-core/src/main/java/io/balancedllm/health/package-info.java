/* SPDX-License-Identifier: Apache-2.0 */

/** How endpoints are probed and judged, and what leads from one state of health to another. */
@NullMarked
package io.balancedllm.health;

import org.jspecify.annotations.NullMarked;
