/* SPDX-License-Identifier: Apache-2.0 */

/** Sentence embeddings in process on DJL and PyTorch, for caches that look up by meaning. */
@NullMarked
package io.balancedllm.djl.embedding;

import org.jspecify.annotations.NullMarked;
