/* SPDX-License-Identifier: Apache-2.0 */

/** The OpenAI-compatible wire: its JSON, its event streams, and a backend that speaks it over HTTP. */
@NullMarked
package io.balancedllm.openai;

import org.jspecify.annotations.NullMarked;
