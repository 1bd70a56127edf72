/* SPDX-License-Identifier: Apache-2.0 */

/** GPT-2 in process, on DJL and PyTorch. */
@NullMarked
package io.balancedllm.djl;

import org.jspecify.annotations.NullMarked;
