/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * An inference engine in numbers: what its steps take, and how much goes into one. Immutable.
 *
 * @param cost what a step takes
 * @param maxBatchedTokens tokens of a step, prefill and decode together
 * @param maxSequences sequences that run at the same time
 */
public record EngineModel(CostLaw cost, int maxBatchedTokens, int maxSequences) {
    /** Sequences that run at the same time when nothing else is said: the default of vLLM V1. */
    public static final int DEFAULT_MAX_SEQUENCES = 256;
    /** Tokens of a step on a large GPU when nothing else is said: the default of vLLM's API server on an H100. */
    public static final int DEFAULT_MAX_BATCHED_TOKENS = 8_192;
    /** Tokens of a step on an A100 when nothing else is said: the default of vLLM's API server there. */
    public static final int A100_MAX_BATCHED_TOKENS = 2_048;

    /** Llama-3.1-8B in bfloat16 on one H100. */
    public static final EngineModel LLAMA_8B_ON_H100 = new EngineModel(
            new Roofline(Roofline.Gpu.H100, Roofline.Llm.LLAMA_8B, Roofline.DEFAULT_STEP_OVERHEAD_SECONDS),
            DEFAULT_MAX_BATCHED_TOKENS,
            DEFAULT_MAX_SEQUENCES);
    /** Llama-3.1-8B in bfloat16 on one A100. */
    public static final EngineModel LLAMA_8B_ON_A100 = new EngineModel(
            new Roofline(Roofline.Gpu.A100, Roofline.Llm.LLAMA_8B, Roofline.DEFAULT_STEP_OVERHEAD_SECONDS),
            A100_MAX_BATCHED_TOKENS,
            DEFAULT_MAX_SEQUENCES);

    /** Refuses limits below 1. */
    public EngineModel {
        if (maxBatchedTokens < 1 || maxSequences < 1) {
            throw new IllegalArgumentException("maxBatchedTokens and maxSequences must be at least 1, got "
                    + maxBatchedTokens + " and " + maxSequences);
        }
        // A step decodes every running sequence.
        if (maxSequences > maxBatchedTokens) {
            throw new IllegalArgumentException(
                    "maxSequences must not exceed maxBatchedTokens, got " + maxSequences + " and " + maxBatchedTokens);
        }
    }

    /**
     * {@return the seconds a prompt takes on an idle engine, from its first step to its first token}
     *
     * @param promptTokens tokens of the prompt
     * @param cachedTokens how many of them the engine has already
     */
    public double prefillSeconds(int promptTokens, int cachedTokens) {
        double seconds = 0;
        int chunk;
        for (int done = cachedTokens; done < promptTokens; done += chunk) {
            chunk = Math.min(maxBatchedTokens, promptTokens - done);
            seconds += cost.stepSeconds(new StepLoad(chunk, StepLoad.attention(chunk, done), done, 0, 0));
        }
        return seconds;
    }

    /**
     * {@return the seconds of a step that only decodes}
     *
     * @param sequences how many sequences get a token
     * @param contextTokens tokens of all of them together, prompts and answers so far
     */
    public double decodeSeconds(int sequences, long contextTokens) {
        return cost.stepSeconds(new StepLoad(0, 0, 0, sequences, contextTokens));
    }
}
