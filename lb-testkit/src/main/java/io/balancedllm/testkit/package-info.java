/* SPDX-License-Identifier: Apache-2.0 */

/** Contract kits, a scriptable LLM server, fake time and the smallest honest backend. */
@NullMarked
package io.balancedllm.testkit;

import org.jspecify.annotations.NullMarked;
