/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.cache;

import io.balancedllm.cache.semantic.Veto;
import java.util.List;
import java.util.Set;

/**
 * When a stored answer is given.
 *
 * @param name what it is called in the report
 * @param threshold the similarity it asks for
 * @param vetoes what keeps texts apart whatever their similarity
 */
record CachePolicy(String name, double threshold, Set<Veto> vetoes) {
    /** The thresholds that other caches have by default, over the same embedder. */
    static final List<CachePolicy> RIVALS = List.of(
            new CachePolicy("gptcache", 0.8, Set.of()),
            new CachePolicy("redisvl", 0.9, Set.of()),
            new CachePolicy("spring-ai", 0.8, Set.of()),
            new CachePolicy("portkey", 0.95, Set.of()));

    static CachePolicy ours(double threshold) {
        return new CachePolicy("ours", threshold, Veto.all());
    }

    /** {@return the same threshold without vetoes} */
    static CachePolicy plain(double threshold) {
        return new CachePolicy("plain", threshold, Set.of());
    }
}
