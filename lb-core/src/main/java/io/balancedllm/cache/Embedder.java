/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * Turns texts into vectors whose angle tells how alike they are in meaning. Thread-safe.
 *
 * <p>A cache calls it on a thread of its own, so it may block; a failed or late stage is a miss of the cache, never a
 * failed call.
 */
public interface Embedder extends AutoCloseable {
    /** What texts must reach to count as the same when the embedder does not know better. */
    double DEFAULT_THRESHOLD = 0.95;

    /**
     * Embeds texts.
     *
     * @param texts what to embed; never empty
     * @return one embedding for each text, in the order of the texts
     */
    CompletionStage<List<Embedding>> embed(List<String> texts);

    /** {@return how many values its vectors have} */
    int dimension();

    /**
     * {@return the model and its version} Vectors of different ids are never compared, so it must change whenever the
     * vectors do.
     */
    String id();

    /** {@return the similarity from which on two texts of this embedder count as the same; 0 to 1} */
    default double threshold() {
        return DEFAULT_THRESHOLD;
    }

    /** Frees what the embedder holds. Idempotent. */
    @Override
    default void close() {}
}
