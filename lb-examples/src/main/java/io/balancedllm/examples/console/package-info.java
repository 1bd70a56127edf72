/* SPDX-License-Identifier: Apache-2.0 */
/** What the commands print: tables, JSON lines, and one line for each mistake. */
@NullMarked
package io.balancedllm.examples.console;

import org.jspecify.annotations.NullMarked;
