/* SPDX-License-Identifier: Apache-2.0 */
/** Embeddings in this process, on ONNX Runtime. Needs two libraries that the module does not bring along. */
@NullMarked
package io.balancedllm.cache.semantic.onnx;

import org.jspecify.annotations.NullMarked;
