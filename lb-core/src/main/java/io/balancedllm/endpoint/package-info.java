/* SPDX-License-Identifier: Apache-2.0 */

/** What can answer a request: the backend SPI, endpoints and what is known about them. */
@NullMarked
package io.balancedllm.endpoint;

import org.jspecify.annotations.NullMarked;
