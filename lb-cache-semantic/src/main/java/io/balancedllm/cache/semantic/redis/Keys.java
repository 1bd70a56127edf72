/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

/**
 * The names of what is kept on the server.
 *
 * @param prefix what all of them begin with
 * @param space the caches that may share, see {@link io.balancedllm.cache.semantic.SharedTier.Follower#space()}
 */
record Keys(String prefix, String space) {
    /** A stream whose last record is the epoch of all spaces. */
    String epoch() {
        return prefix + ":epoch";
    }

    /** The log of an epoch. */
    String log(StreamId epoch) {
        return prefix + ":log:" + space + ':' + epoch;
    }

    /** An answer of an epoch. */
    String body(StreamId epoch, String id) {
        return prefix + ":body:" + epoch + ':' + id;
    }
}
