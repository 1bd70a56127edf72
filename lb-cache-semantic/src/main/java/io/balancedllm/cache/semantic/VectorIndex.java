/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The entries of one partition, searched for the nearest ones by an exact scan that computes little: by the inequality of
 * Cauchy and Schwarz, the product of two vectors is at most that of their heads plus the lengths of their rests, and most
 * entries are out after 32 of their coordinates. The heads lie by coordinate, so that the compiler makes the first pass a
 * loop over vectors of the processor.
 *
 * <p>One writer at a time; any number of readers without a lock. What a reader sees of the heads may be in the middle of a
 * change: it is only a filter. Each candidate is scored again by its own vector, which never changes, and must be alive,
 * so at worst a hit is lost and never is one wrong.
 */
final class VectorIndex {
    /** Entries that one block holds, when the partition has so many. */
    static final int BLOCK = 1024;
    /** Best entries that are looked at; those behind are as good as missed. */
    static final int MAX_CANDIDATES = 16;

    /** Below that a block keeps no heads: its vectors are few enough to be multiplied out. */
    private static final int SMALLEST_WITH_HEADS = 256;

    private static final int[] FIRST_CAPACITIES = {8, 64, SMALLEST_WITH_HEADS, BLOCK};
    /** More than what rounding in a sum of so many floats can make of two bounds that should be equal. */
    private static final float ROUNDING = 1e-5f;

    private final String name;
    private volatile Table table;
    private int size;

    VectorIndex(String name, Rotation rotation) {
        this.name = name;
        table = new Table(rotation, new Block[] {new Block(FIRST_CAPACITIES[0])});
    }

    /** {@return the partition} */
    String name() {
        return name;
    }

    int size() {
        return size;
    }

    /** An entry and its similarity to the query. */
    record Candidate(Entry entry, float similarity) {}

    void add(Entry entry) {
        Table current = table;
        Block last = current.blocks[current.blocks.length - 1];
        if (last.count == last.capacity) {
            current = grown(current, last);
            last = current.blocks[current.blocks.length - 1];
        }
        entry.block = current.blocks.length - 1;
        entry.slot = last.count;
        last.put(last.count, entry, current.rotation);
        last.resize(last.count + 1);
        size++;
        table = current;
    }

    private static Table grown(Table table, Block last) {
        Block[] blocks;
        if (last.capacity < BLOCK) {
            int capacity = BLOCK;
            for (int i = FIRST_CAPACITIES.length - 1; i >= 0 && FIRST_CAPACITIES[i] > last.capacity; i--) {
                capacity = FIRST_CAPACITIES[i];
            }
            Block larger = new Block(capacity);
            for (int slot = 0; slot < last.count; slot++) {
                larger.put(slot, last.entries[slot], table.rotation);
            }
            larger.count = last.count;
            blocks = table.blocks.clone();
            blocks[blocks.length - 1] = larger;
        } else {
            blocks = new Block[table.blocks.length + 1];
            System.arraycopy(table.blocks, 0, blocks, 0, table.blocks.length);
            blocks[table.blocks.length] = new Block(BLOCK);
        }
        return new Table(table.rotation, blocks);
    }

    /** Takes an entry out: the last one moves into its place. */
    void remove(Entry entry) {
        entry.alive = false;
        Table current = table;
        Block last = current.blocks[current.blocks.length - 1];
        Entry moved = last.entries[last.count - 1];
        if (moved != entry) {
            current.blocks[entry.block].copy(entry.slot, last, last.count - 1);
            moved.block = entry.block;
            moved.slot = entry.slot;
        }
        last.resize(last.count - 1);
        last.entries[last.count] = null;
        size--;
        if (last.count == 0 && current.blocks.length > 1) {
            Block[] fewer = new Block[current.blocks.length - 1];
            System.arraycopy(current.blocks, 0, fewer, 0, fewer.length);
            table = new Table(current.rotation, fewer);
        }
    }

    /** Computes all heads anew. */
    void rotate(Rotation rotation) {
        Block[] blocks = new Block[table.blocks.length];
        for (int b = 0; b < blocks.length; b++) {
            Block old = table.blocks[b];
            blocks[b] = new Block(old.capacity);
            for (int slot = 0; slot < old.count; slot++) {
                blocks[b].put(slot, old.entries[slot], rotation);
            }
            blocks[b].count = old.count;
        }
        table = new Table(rotation, blocks);
    }

    /** {@return the entries nearest to a query, of this similarity at least, the nearest first} */
    List<Candidate> nearest(float[] query, float threshold) {
        Table current = table;
        Nearest nearest = new Nearest(threshold);
        float[] sums = new float[0];
        Rotation.Rotated rotated = null;
        for (Block block : current.blocks) {
            int count = block.count;
            if (block.capacity < SMALLEST_WITH_HEADS) {
                for (int slot = 0; slot < count; slot++) {
                    nearest.offer(block.entries[slot], query);
                }
                continue;
            }
            if (rotated == null) {
                rotated = current.rotation.rotate(query);
                sums = new float[BLOCK];
            }
            block.heads(rotated, sums, count);
            for (int slot = 0; slot < count; slot++) {
                if (sums[slot] >= nearest.bound - ROUNDING
                        && block.bound(slot, sums[slot], rotated) >= nearest.bound - ROUNDING) {
                    nearest.offer(block.entries[slot], query);
                }
            }
        }
        return nearest.candidates;
    }

    static float dot(float[] a, float[] b) {
        float s0 = 0;
        float s1 = 0;
        float s2 = 0;
        float s3 = 0;
        int i = 0;
        for (; i + 3 < a.length; i += 4) {
            s0 += a[i] * b[i];
            s1 += a[i + 1] * b[i + 1];
            s2 += a[i + 2] * b[i + 2];
            s3 += a[i + 3] * b[i + 3];
        }
        for (; i < a.length; i++) {
            s0 += a[i] * b[i];
        }
        return s0 + s1 + (s2 + s3);
    }

    /** The best so far; once there are enough of them, the last one is the bound. */
    private static final class Nearest {
        private final List<Candidate> candidates = new ArrayList<>(MAX_CANDIDATES);
        private float bound;

        Nearest(float bound) {
            this.bound = bound;
        }

        void offer(@Nullable Entry entry, float[] query) {
            if (entry == null || !entry.alive) {
                return;
            }
            float similarity = dot(entry.vector, query);
            if (similarity < bound) {
                return;
            }
            int place = candidates.size();
            while (place > 0 && candidates.get(place - 1).similarity < similarity) {
                place--;
            }
            if (place < MAX_CANDIDATES) {
                if (candidates.size() == MAX_CANDIDATES) {
                    candidates.remove(MAX_CANDIDATES - 1);
                }
                candidates.add(place, new Candidate(entry, similarity));
            }
            if (candidates.size() == MAX_CANDIDATES) {
                bound = candidates.get(MAX_CANDIDATES - 1).similarity;
            }
        }
    }

    private static final class Table {
        private final Rotation rotation;
        private final Block[] blocks;

        Table(Rotation rotation, Block[] blocks) {
            this.rotation = rotation;
            this.blocks = blocks;
        }
    }

    /** Entries side by side. */
    private static final class Block {
        private final int capacity;
        private final @Nullable Entry[] entries;
        /** [HEAD][capacity]; empty without heads. */
        private final float[][] heads;
        /** [capacity][NECK]. */
        private final float[] necks;

        private final float[] afterHead;
        private final float[] afterNeck;
        /** Written last: a reader that sees the count sees what was put in before. */
        private volatile int count;

        Block(int capacity) {
            this.capacity = capacity;
            int indexed = capacity < SMALLEST_WITH_HEADS ? 0 : capacity;
            entries = new Entry[capacity];
            heads = indexed == 0 ? new float[0][] : new float[Rotation.HEAD][indexed];
            necks = new float[indexed * Rotation.NECK];
            afterHead = new float[indexed];
            afterNeck = new float[indexed];
        }

        void resize(int entries) {
            count = entries;
        }

        void put(int slot, Entry entry, Rotation rotation) {
            if (heads.length > 0) {
                Rotation.Rotated rotated = rotation.rotate(entry.vector);
                for (int k = 0; k < Rotation.HEAD; k++) {
                    heads[k][slot] = rotated.values()[k];
                }
                System.arraycopy(rotated.values(), Rotation.HEAD, necks, slot * Rotation.NECK, Rotation.NECK);
                afterHead[slot] = rotated.afterHead();
                afterNeck[slot] = rotated.afterNeck();
            }
            entries[slot] = entry;
        }

        void copy(int slot, Block from, int fromSlot) {
            if (heads.length > 0) {
                for (int k = 0; k < Rotation.HEAD; k++) {
                    heads[k][slot] = from.heads[k][fromSlot];
                }
                System.arraycopy(from.necks, fromSlot * Rotation.NECK, necks, slot * Rotation.NECK, Rotation.NECK);
                afterHead[slot] = from.afterHead[fromSlot];
                afterNeck[slot] = from.afterNeck[fromSlot];
            }
            entries[slot] = from.entries[fromSlot];
        }

        /** For each entry the product of the heads and the lengths of the rests: at least its similarity. */
        void heads(Rotation.Rotated query, float[] sums, int count) {
            float rest = query.afterHead();
            for (int slot = 0; slot < count; slot++) {
                sums[slot] = rest * afterHead[slot];
            }
            float[] q = query.values();
            for (int k = 0; k < Rotation.HEAD; k += 4) {
                FourRows.add(sums, count, heads, q, k);
            }
        }

        /** A lower bound than that of the heads alone. */
        float bound(int slot, float sum, Rotation.Rotated query) {
            float bound = sum - query.afterHead() * afterHead[slot] + query.afterNeck() * afterNeck[slot];
            float[] q = query.values();
            int neck = slot * Rotation.NECK;
            float s0 = 0;
            float s1 = 0;
            for (int k = 0; k < Rotation.NECK; k += 2) {
                s0 += q[Rotation.HEAD + k] * necks[neck + k];
                s1 += q[Rotation.HEAD + k + 1] * necks[neck + k + 1];
            }
            return bound + s0 + s1;
        }
    }
}
