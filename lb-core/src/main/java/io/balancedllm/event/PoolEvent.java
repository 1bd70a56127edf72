/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

/**
 * A change of the pool. Immutable.
 *
 * @param kind what changed
 * @param endpoint id of the endpoint
 * @param generation which generation of it: an endpoint that is replaced, or comes back, has a higher one
 */
public record PoolEvent(Kind kind, String endpoint, long generation) {
    /** The changes of a pool. */
    public enum Kind {
        /** Joined. */
        ADDED,
        /** Changed its weight or capacity. */
        UPDATED,
        /** Was asked to take no new attempts. */
        DRAINING,
        /** Has no attempt left after it was drained. */
        DRAINED,
        /** Takes attempts again after it was drained. */
        RESUMED,
        /** Left. */
        REMOVED
    }
}
