/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.Embedder;

/** An embedder that asks another one in a way of its own: the vectors, their name and their threshold are the other's. */
abstract class ForwardingEmbedder implements Embedder {
    final Embedder embedder;

    ForwardingEmbedder(Embedder embedder) {
        this.embedder = embedder;
    }

    @Override
    public final int dimension() {
        return embedder.dimension();
    }

    @Override
    public final String id() {
        return embedder.id();
    }

    @Override
    public final double threshold() {
        return embedder.threshold();
    }

    @Override
    public final void close() {
        embedder.close();
    }
}
