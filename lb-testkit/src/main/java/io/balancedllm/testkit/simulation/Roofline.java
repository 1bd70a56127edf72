/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * A model on a GPU: a step takes the larger of its arithmetic and its memory traffic, plus an overhead.
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
 * @param stepOverheadSeconds what every step takes beyond arithmetic and memory, at least 0
 */
public record Roofline(Gpu gpu, Llm llm, double stepOverheadSeconds) implements CostLaw {
    /** Seconds a step takes beyond arithmetic and memory when nothing else is said. */
    public static final double DEFAULT_STEP_OVERHEAD_SECONDS = 0.001;

    /** Refuses a negative overhead. */
    public Roofline {
        if (!(stepOverheadSeconds >= 0)) {
            throw new IllegalArgumentException("stepOverheadSeconds must be at least 0, got " + stepOverheadSeconds);
        }
    }

    @Override
    public double stepSeconds(StepLoad load) {
        double compute = prefillSeconds(load.prefillTokens(), load.prefillPairs())
                + (load.decodeSequences() * llm.flopsPerToken()
                                + llm.flopsPerContextToken() * load.decodeContextTokens())
                        / (gpu.peakFlops() * gpu.decodeUtilisation());
        double bytes = llm.weightBytes()
                + llm.kvBytesPerToken() * (load.prefillContextTokens() + load.decodeContextTokens())
                + (load.prefillTokens() + load.decodeSequences())
                        * (llm.kvBytesPerToken() + llm.activationBytesPerToken());
        return Math.max(compute, bytes / gpu.bytesPerSecond()) + stepOverheadSeconds;
    }

    /** {@return the seconds of the arithmetic alone: the weights are read for the decoding sequences anyway} */
    @Override
    public double prefillSeconds(int tokens, int before) {
        return tokens <= 0 ? 0 : prefillSeconds(tokens, StepLoad.attention(tokens, before));
    }

    private double prefillSeconds(long tokens, double pairs) {
        return (tokens * llm.flopsPerToken() + llm.flopsPerContextToken() * pairs)
                / (gpu.peakFlops() * gpu.prefillUtilisation());
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
}
