/* SPDX-License-Identifier: Apache-2.0 */

/** The contract kits, extended from another package as users do, for every implementation the library has. */
@NullMarked
package io.balancedllm.contract;

import org.jspecify.annotations.NullMarked;
