/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.BalancedLlm;
import io.balancedllm.cache.Embedder;
import java.util.concurrent.Executor;

/**
 * Embedders. For MiniLM in this process see {@link io.balancedllm.cache.semantic.onnx.MiniLmEmbedder}, which tells
 * paraphrases from other texts far better than letters do.
 */
public final class Embedders {
    /** Texts {@link #memoising} remembers. */
    public static final int DEFAULT_MEMOISED = 10_000;
    /** Texts {@link #batching} computes together at most. */
    public static final int DEFAULT_BATCH = 32;
    /** Texts that wait for {@link #batching}; one more fails. */
    public static final int DEFAULT_BATCH_QUEUE = 1_024;

    private Embedders() {}

    /**
     * {@return an embedder without a model: hashed runs of three to five letters} For tests and offline demos. It sees
     * spelling and not meaning: other words for the same thing are far apart, and a word more or less is near.
     */
    public static Embedder nGram() {
        return new NGramEmbedder();
    }

    /**
     * {@return an embedder that asks the embedding endpoints of a balancer} Right where such an endpoint is near; each
     * lookup then takes a round trip.
     *
     * @param llm the balancer, which stays its owner's; it must not be one whose cache asks this embedder and whose
     *     endpoints are the same, or they compete
     * @param model the model as the endpoints name it; it is the embedder's id, so name another when its weights change
     * @param dimension how many values its vectors have
     * @param maximumChars longer texts count as truncated, since the wire does not tell; about three for each token of
     *     the model's limit
     * @param threshold from which similarity on two texts count as the same
     */
    public static Embedder remote(BalancedLlm llm, String model, int dimension, int maximumChars, double threshold) {
        return new RemoteEmbedder(llm, model, dimension, maximumChars, threshold);
    }

    /** {@return an embedder that remembers the texts it embedded last, {@link #DEFAULT_MEMOISED} of them} */
    public static Embedder memoising(Embedder embedder) {
        return memoising(embedder, DEFAULT_MEMOISED);
    }

    /**
     * {@return an embedder that remembers the texts it embedded last}
     *
     * @param embedder who embeds the others; closed with this one
     * @param maximumTexts how many texts are remembered, above 0
     */
    public static Embedder memoising(Embedder embedder, int maximumTexts) {
        return new MemoisingEmbedder(embedder, maximumTexts);
    }

    /**
     * {@return an embedder that computes texts together that wait at the same time} One batch runs at a time; what comes
     * meanwhile makes the next. Right in front of an embedder that computes a batch faster than its texts one by one.
     *
     * @param embedder who embeds; closed with this one
     * @param executor where batches run; borrowed, may block
     */
    public static Embedder batching(Embedder embedder, Executor executor) {
        return new BatchingEmbedder(embedder, executor, DEFAULT_BATCH, DEFAULT_BATCH_QUEUE);
    }
}
