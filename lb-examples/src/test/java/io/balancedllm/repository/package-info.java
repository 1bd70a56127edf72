/* SPDX-License-Identifier: Apache-2.0 */

/** What holds for the repository as a whole: its modules, its sources and its documents. */
@NullMarked
package io.balancedllm.repository;

import org.jspecify.annotations.NullMarked;
