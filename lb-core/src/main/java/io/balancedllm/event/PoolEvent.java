/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A change of the pool. Immutable.
 *
 * @param kind what changed
 * @param endpoint id of the endpoint
 * @param generation which generation of it: an endpoint that is replaced, or comes back, has a higher one
 * @param healthOrNull how its health changed, null when that is not what changed
 */
public record PoolEvent(
        Kind kind,
        String endpoint,
        long generation,
        @Nullable HealthChange healthOrNull) {
    /** A change of something other than health. */
    public PoolEvent(Kind kind, String endpoint, long generation) {
        this(kind, endpoint, generation, null);
    }

    /** {@return how its health changed, if that is what changed} */
    public Optional<HealthChange> health() {
        return Optional.ofNullable(healthOrNull);
    }

    /** The changes of a pool. */
    public enum Kind {
        /** Joined. */
        ADDED,
        /** Changed its weight or capacity. */
        UPDATED,
        /** Changed its health: {@link PoolEvent#health} says how and why. */
        HEALTH,
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
