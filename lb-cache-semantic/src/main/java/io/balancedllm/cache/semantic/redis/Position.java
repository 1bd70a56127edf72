/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import java.util.HexFormat;
import java.util.Objects;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** How far a cache has followed; survives its connections. Touched by the tier's thread only. */
final class Position {
    /** Who writes: what it wrote itself need not be read. */
    final String instance;

    /** When the cache was made, on its clock. */
    final long madeNanos;

    /** The epoch of the server that is followed; null before the first connection. */
    Link.@Nullable Epoch epoch;

    /** The last record of its log that was taken in. */
    StreamId read = StreamId.ZERO;

    /**
     * The epoch of the cache that the followed one of the server stands for. What is read is taken in under it, so that it
     * is nothing once the cache has forgotten everything again.
     */
    long adopted;

    private final RandomGenerator random;

    Position(RandomGenerator random, long madeNanos, long adopted) {
        this.random = random;
        this.instance = newMark();
        this.madeNanos = madeNanos;
        this.adopted = adopted;
    }

    /** {@return the epoch that is followed, once there is one} */
    Link.Epoch followed() {
        return Objects.requireNonNull(epoch, "an epoch");
    }

    /** {@return a mark that no other process makes} */
    String newMark() {
        return HexFormat.of().toHexDigits(random.nextLong());
    }

    /** Follows the log of an epoch from its beginning. */
    void follow(Link.Epoch followed, long standsFor) {
        epoch = followed;
        adopted = Math.max(adopted, standsFor);
        read = StreamId.ZERO;
    }
}
