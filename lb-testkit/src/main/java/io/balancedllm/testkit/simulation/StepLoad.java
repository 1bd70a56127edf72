/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * What an engine computes in one step. Immutable.
 *
 * @param prefillTokens tokens of prompts
 * @param prefillPairs for each of them the tokens before it in its prompt, summed
 * @param prefillContextTokens tokens of those prompts that were there before the step
 * @param decodeSequences sequences that get a token
 * @param decodeContextTokens tokens of all of them together, prompts and answers so far
 */
public record StepLoad(
        long prefillTokens,
        double prefillPairs,
        long prefillContextTokens,
        int decodeSequences,
        long decodeContextTokens) {
    /** {@return for each of this many tokens the tokens before it, summed} */
    static double attention(int tokens, int before) {
        return tokens * (before + (tokens - 1) / 2.0);
    }
}
