/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * What an inference engine takes to compute: a roofline of a model on a GPU. A step takes the larger of its arithmetic
 * and its memory traffic, plus an overhead:
 *
 * <pre>{@code
 * compute = sum over prefill chunks (n*G + A*n*(c + (n-1)/2)) / (peak * prefill utilisation)
 *         + (sequences*G + A*context) / (peak * decode utilisation)
 * memory  = (weights + kv*(context read) + (kv + activation)*(tokens)) / bandwidth
 * step    = max(compute, memory) + overhead
 * }</pre>
 *
 * for chunks of n tokens after c that are there already. Immutable.
 *
 * <p>Source: the roofline of inference-sim (BLIS), {@code sim/latency/roofline.go} and its {@code hardware_config.json};
 * the overhead is an assumption. It follows measured engines in form, not to the millisecond, and knows no network.
 *
 * @param gpu what computes
 * @param llm what is computed
 * @param stepOverheadSeconds what every step takes beyond arithmetic and memory
 * @param maxBatchedTokens tokens of a step, prefill and decode together
 * @param maxSequences sequences that run at the same time
 */
public record EngineModel(Gpu gpu, Llm llm, double stepOverheadSeconds, int maxBatchedTokens, int maxSequences) {
    /** Seconds a step takes beyond arithmetic and memory when nothing else is said. */
    public static final double DEFAULT_STEP_OVERHEAD_SECONDS = 0.001;
    /** Sequences that run at the same time when nothing else is said: the default of vLLM V1. */
    public static final int DEFAULT_MAX_SEQUENCES = 256;
    /** Tokens of a step on a large GPU when nothing else is said: the default of vLLM's API server on an H100. */
    public static final int DEFAULT_MAX_BATCHED_TOKENS = 8_192;
    /** Tokens of a step on an A100 when nothing else is said: the default of vLLM's API server there. */
    public static final int A100_MAX_BATCHED_TOKENS = 2_048;

    /** Llama-3.1-8B in bfloat16 on one H100. */
    public static final EngineModel LLAMA_8B_ON_H100 = new EngineModel(
            Gpu.H100, Llm.LLAMA_8B, DEFAULT_STEP_OVERHEAD_SECONDS, DEFAULT_MAX_BATCHED_TOKENS, DEFAULT_MAX_SEQUENCES);
    /** Llama-3.1-8B in bfloat16 on one A100. */
    public static final EngineModel LLAMA_8B_ON_A100 = new EngineModel(
            Gpu.A100, Llm.LLAMA_8B, DEFAULT_STEP_OVERHEAD_SECONDS, A100_MAX_BATCHED_TOKENS, DEFAULT_MAX_SEQUENCES);

    /** Refuses limits below 1 and a negative overhead. */
    public EngineModel {
        if (maxBatchedTokens < 1 || maxSequences < 1 || !(stepOverheadSeconds >= 0)) {
            throw new IllegalArgumentException("maxBatchedTokens and maxSequences must be at least 1 and"
                    + " stepOverheadSeconds at least 0, got " + maxBatchedTokens + ", " + maxSequences + " and "
                    + stepOverheadSeconds);
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
            Step step = new Step(this);
            step.prefill(chunk, done);
            seconds += step.seconds();
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
        Step step = new Step(this);
        step.decode(sequences, contextTokens);
        return step.seconds();
    }

    /**
     * A GPU.
     *
     * @param peakFlops its arithmetic in 16 bits, in operations a second
     * @param prefillUtilisation the share of it that prefill reaches
     * @param decodeUtilisation the share of it that decoding reaches
     * @param bytesPerSecond bandwidth of its memory
     */
    public record Gpu(double peakFlops, double prefillUtilisation, double decodeUtilisation, double bytesPerSecond) {
        /** NVIDIA H100 SXM. */
        public static final Gpu H100 = new Gpu(989.5e12, 0.45, 0.30, 3.35e12);
        /** NVIDIA A100 SXM. */
        public static final Gpu A100 = new Gpu(312e12, 0.38, 0.18, 2.039e12);
    }

    /**
     * A dense transformer.
     *
     * @param flopsPerToken operations for a token apart from attention (G)
     * @param flopsPerContextToken operations of a token's attention for each token before it (A)
     * @param weightBytes what every step reads
     * @param kvBytesPerToken keys and values of a token
     * @param activationBytesPerToken what a token of a step writes beside them
     */
    public record Llm(
            double flopsPerToken,
            double flopsPerContextToken,
            double weightBytes,
            double kvBytesPerToken,
            double activationBytesPerToken) {
        /** Llama-3.1-8B in bfloat16: 32 layers of 4096, 32 heads over 8 key-value heads, feed-forward 14336. */
        public static final Llm LLAMA_8B = new Llm(13_958_905_856.0, 529_408, 13_958_643_712.0, 131_072, 262_144);
    }

    /** The cost of one step, added up piece by piece. Not thread-safe. */
    static final class Step {
        private final Gpu gpu;
        private final Llm llm;
        private final double overhead;
        private double computeSeconds;
        private double bytes;

        Step(EngineModel model) {
            gpu = model.gpu();
            llm = model.llm();
            overhead = model.stepOverheadSeconds();
            bytes = llm.weightBytes();
        }

        void decode(int sequences, long contextTokens) {
            computeSeconds += (sequences * llm.flopsPerToken() + llm.flopsPerContextToken() * contextTokens)
                    / (gpu.peakFlops() * gpu.decodeUtilisation());
            move(sequences, contextTokens);
        }

        void prefill(int tokens, int before) {
            double attention = llm.flopsPerContextToken() * tokens * (before + (tokens - 1) / 2.0);
            computeSeconds += (tokens * llm.flopsPerToken() + attention) / (gpu.peakFlops() * gpu.prefillUtilisation());
            move(tokens, before);
        }

        private void move(int tokens, long contextTokens) {
            bytes += llm.kvBytesPerToken() * contextTokens
                    + tokens * (llm.kvBytesPerToken() + llm.activationBytesPerToken());
        }

        double seconds() {
            return Math.max(computeSeconds, bytes / gpu.bytesPerSecond()) + overhead;
        }
    }
}
