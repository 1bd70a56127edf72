/* SPDX-License-Identifier: Apache-2.0 */
/** Endpoints that fail, and what becomes of the requests: this library and other balancers side by side. */
@NullMarked
package io.balancedllm.examples.faults;

import org.jspecify.annotations.NullMarked;
