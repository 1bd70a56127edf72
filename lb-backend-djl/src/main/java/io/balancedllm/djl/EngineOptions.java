/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/**
 * The limits of an engine.
 *
 * @param maxSequences how many sequences are generated at once
 * @param queueLimit how many more may wait
 * @param kvTokens how many tokens' keys and values may be held, running sequences and reusable prefixes together
 * @param stepTokens how many tokens one step feeds at most
 * @param promptStretch how many times as long as decoding alone a step may take for the sake of prompts; infinite to feed
 *     them whole
 */
record EngineOptions(int maxSequences, int queueLimit, int kvTokens, int stepTokens, double promptStretch) {
    EngineOptions(int maxSequences, int queueLimit, int kvTokens, int stepTokens) {
        this(maxSequences, queueLimit, kvTokens, stepTokens, Gpt2Backend.DEFAULT_PROMPT_STRETCH);
    }
}
