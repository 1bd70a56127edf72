/* SPDX-License-Identifier: Apache-2.0 */

/** The words of the OpenAI wire: requests, completions, chunks, embeddings, usage and errors. */
@NullMarked
package io.balancedllm.completion;

import org.jspecify.annotations.NullMarked;
