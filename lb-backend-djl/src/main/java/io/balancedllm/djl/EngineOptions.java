/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/**
 * The limits of an engine.
 *
 * @param maxSequences how many sequences are generated at once
 * @param queueLimit how many more may wait
 * @param kvTokens how many tokens' keys and values may be held, running sequences and reusable prefixes together
 * @param stepTokens how many tokens one step feeds at most; bounds how long a step takes
 */
record EngineOptions(int maxSequences, int queueLimit, int kvTokens, int stepTokens) {}
