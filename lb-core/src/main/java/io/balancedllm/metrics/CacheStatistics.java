/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

/**
 * What the cache did for the calls that ended. Immutable. How often it was wrong is told by the cache itself, which
 * audits its hits.
 *
 * @param exact answers that were stored to an equal request
 * @param semantic answers that were stored to a request that means the same
 * @param joined answers shared with an equal call at the same time
 * @param misses calls for which nothing near enough was stored
 * @param vetoed calls for which what was near enough was refused
 * @param bypassed calls that did not ask the cache, or that it could say nothing to
 */
public record CacheStatistics(long exact, long semantic, long joined, long misses, long vetoed, long bypassed) {
    /** {@return calls of a balancer with a cache that ended} */
    public long calls() {
        return reused() + misses + vetoed + bypassed;
    }

    /** {@return calls that were given an answer not generated for them} */
    public long reused() {
        return exact + semantic + joined;
    }

    @Override
    public String toString() {
        return reused() + " of " + calls() + " reused (" + exact + " exact, " + semantic + " semantic, " + joined
                + " joined), " + misses + " missed, " + vetoed + " vetoed, " + bypassed + " bypassed";
    }
}
