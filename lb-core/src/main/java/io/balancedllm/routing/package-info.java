/* SPDX-License-Identifier: Apache-2.0 */

/** Which endpoint gets the next attempt: the policy SPI and the policies that come with it. */
@NullMarked
package io.balancedllm.routing;

import org.jspecify.annotations.NullMarked;
