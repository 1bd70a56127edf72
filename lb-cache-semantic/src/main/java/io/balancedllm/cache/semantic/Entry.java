/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.StoredAnswer;
import org.jspecify.annotations.Nullable;

/** A stored answer and the text it answers. Immutable but for its life and its place in the index. */
final class Entry {
    /** Objects, links and table places of an entry. */
    private static final int OVERHEAD_BYTES = 512;
    /** What the index keeps of a vector beside the vector itself. */
    private static final int INDEX_BYTES = Float.BYTES * (Rotation.WIDTH + 2) + 8;

    final String key;
    /** In the index the same string for all entries of a partition, and guarded by the writer's lock until then. */
    String partition;

    final String text;
    final @Nullable String tenant;
    final @Nullable String namespace;
    final float[] vector;
    final StoredAnswer answer;
    final long storedNanos;
    final long lifeNanos;
    /** Cleared before the entry leaves the index; a reader that finds it still there passes it by. */
    volatile boolean alive = true;

    /** Where in its index it stands; guarded by the writer's lock. */
    int block;

    int slot;

    Entry(
            String key,
            String partition,
            String text,
            @Nullable String tenant,
            @Nullable String namespace,
            float[] vector,
            StoredAnswer answer,
            long storedNanos,
            long lifeNanos) {
        this.key = key;
        this.partition = partition;
        this.text = text;
        this.tenant = tenant;
        this.namespace = namespace;
        this.vector = vector;
        this.answer = answer;
        this.storedNanos = storedNanos;
        this.lifeNanos = lifeNanos;
    }

    /** {@return about how many bytes of memory it takes, its place in the index included} */
    long bytes() {
        return OVERHEAD_BYTES
                + INDEX_BYTES
                + (long) Float.BYTES * vector.length
                + (long) Character.BYTES * text.length()
                + answer.bytes();
    }

    boolean usable(long now) {
        return alive && now - storedNanos < lifeNanos;
    }
}
