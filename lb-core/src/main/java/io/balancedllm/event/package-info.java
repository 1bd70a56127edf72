/* SPDX-License-Identifier: Apache-2.0 */

/** What listeners are told, and in which order. */
@NullMarked
package io.balancedllm.event;

import org.jspecify.annotations.NullMarked;
