/* SPDX-License-Identifier: Apache-2.0 */
/** Serves GPT-2 on the OpenAI wire. */
@NullMarked
package io.balancedllm.examples.worker;

import org.jspecify.annotations.NullMarked;
