/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;

/**
 * Ranks endpoints for a key by hashing key and id together. Whoever ranks sees the same order without knowing of others,
 * and when an endpoint leaves, only its keys move.
 */
final class Rendezvous {
    private static final double TO_UNIT = 0x1.0p-53;
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private final EndpointLocal<Long> hashes = EndpointLocal.withInitial(endpoint -> hash(endpoint.id()));

    /**
     * {@return the score of an endpoint for a key; the highest comes first} By the weighted form, an endpoint is first for
     * a share of keys in proportion to its weight.
     */
    double score(long key, EndpointView endpoint) {
        long mixed = mix(key ^ mix(endpoint.local(hashes) + GOLDEN));
        double unit = ((mixed >>> 11) + 0.5) * TO_UNIT;
        return -endpoint.weight() / Math.log(unit);
    }

    static long hash(CharSequence text) {
        long hash = 0xCBF29CE484222325L;
        for (int i = 0; i < text.length(); i++) {
            hash = (hash ^ text.charAt(i)) * 0x100000001B3L;
        }
        return mix(hash);
    }

    /** The finalizer of SplitMix64. */
    static long mix(long value) {
        long z = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
