/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * The map from block to the slots that hold it, read without locks while one writer at a time changes it.
 *
 * <p>Open addressing with linear probing in {@value #SEGMENTS} segments that grow apart, so that no write takes long. A
 * cell is a key and its holders as bits, 64 slots a word. Within an array a cell is never given to another key and never
 * moves: a block that nobody holds keeps its cell, without bits, until the segment is built anew and published by one
 * write. So a reader that finds a key reads bits that belong to it, and finds it if it was there all along. Rejected:
 * moving cells back on removal, which needs neither rebuilding nor dead cells, but makes readers look twice.
 *
 * <p>A segment is rebuilt when {@link #MAX_USED} of its cells are used, dead ones included, or fewer than
 * {@link #MIN_LIVE} live, for {@link #BUILT_LIVE} live ones: three or four cells are copied for each one added.
 */
final class BlockTable {
    /** A power of 2. */
    private static final int SEGMENTS = 128;

    private static final int SEGMENT_SHIFT = Long.SIZE - Integer.numberOfTrailingZeros(SEGMENTS);
    private static final int SMALLEST = 8;
    private static final double MAX_USED = 0.85;
    private static final double BUILT_LIVE = 0.68;
    private static final double MIN_LIVE = 0.4;

    /** 2^64 over the golden ratio: spreads keys that differ little over all bits. */
    private static final long SPREAD = 0x9E3779B97F4A7C15L;

    /** Stands for the key 0, which marks a free cell. */
    private static final long ZERO = 0x632BE59BD9B4E019L;

    private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle SEGMENT = MethodHandles.arrayElementVarHandle(long[][].class);

    /** An array starts with the number of its cells. */
    private static final int FIRST_CELL = 1;

    private volatile Layout layout = new Layout(1);
    private final int[] used = new int[SEGMENTS];
    private final int[] live = new int[SEGMENTS];
    private int blocks;
    private long words;

    BlockTable() {
        fill(layout);
    }

    /** {@return the key a hash is kept under; never 0} */
    static long key(long hash) {
        return hash == 0 ? ZERO : hash;
    }

    /** {@return bits to place a key by, all of them dependent on all of the key} */
    static long spread(long key) {
        long spread = key * SPREAD;
        return spread ^ (spread >>> 32);
    }

    /** {@return a place among this many, by the lower half of the spread} */
    static int place(long spread, int places) {
        return (int) (((spread & 0xFFFF_FFFFL) * places) >>> 32);
    }

    /** {@return how many slots there is room for without growing} */
    int slots() {
        return layout.words * Long.SIZE;
    }

    /** {@return blocks that somebody holds; for the writer} */
    int blocks() {
        return blocks;
    }

    /** {@return memory of the arrays; for the writer} */
    long bytes() {
        return Long.BYTES * words;
    }

    /**
     * Finds for each slot how many of the first blocks it holds without a gap. Never blocks.
     *
     * @return the most of any slot
     */
    int match(PromptBlocks prompt, int[] result) {
        Arrays.fill(result, 0);
        Layout now = layout;
        int most = 0;
        for (int word = 0; word < now.words; word++) {
            most = Math.max(most, match(now, word, prompt, result));
        }
        return most;
    }

    private static int match(Layout layout, int word, PromptBlocks prompt, int[] result) {
        long holding = (long) WORD.getOpaque(layout.present, word);
        if (holding == 0) {
            return 0;
        }
        int matchable = prompt.matchable();
        int block = 0;
        while (block < matchable) {
            long next = holding & holders(layout, key(prompt.hash(block)), word);
            if (next != holding) {
                set(result, word, holding ^ next, block);
                holding = next;
                if (holding == 0) {
                    return block;
                }
            }
            block++;
        }
        set(result, word, holding, block);
        return block;
    }

    /** {@return how many of the first blocks the slot holds without a gap} Never blocks. */
    int match(PromptBlocks prompt, int slot) {
        Layout now = layout;
        int word = slot / Long.SIZE;
        long bit = 1L << slot;
        if (word >= now.words || ((long) WORD.getOpaque(now.present, word) & bit) == 0) {
            return 0;
        }
        int matchable = prompt.matchable();
        int block = 0;
        while (block < matchable && (holders(now, key(prompt.hash(block)), word) & bit) != 0) {
            block++;
        }
        return block;
    }

    private static void set(int[] result, int word, long slots, int blocks) {
        for (long rest = slots; rest != 0; rest &= rest - 1) {
            int slot = word * Long.SIZE + Long.numberOfTrailingZeros(rest);
            if (slot < result.length) {
                result[slot] = blocks;
            }
        }
    }

    private static long holders(Layout layout, long key, int word) {
        long spread = spread(key);
        long[] cells = (long[]) SEGMENT.getAcquire(layout.segments, (int) (spread >>> SEGMENT_SHIFT));
        int stride = layout.words + 1;
        int at = FIRST_CELL + place(spread, (int) cells[0]) * stride;
        while (true) {
            long found = (long) WORD.getAcquire(cells, at);
            if (found == key) {
                return (long) WORD.getOpaque(cells, at + 1 + word);
            }
            if (found == 0) {
                return 0;
            }
            at += stride;
            if (at == cells.length) {
                at = FIRST_CELL;
            }
        }
    }

    /** Lets matches see a slot. */
    void open(int slot) {
        int word = slot / Long.SIZE;
        if (word >= layout.words) {
            widen(word + 1);
        }
        long[] present = layout.present;
        WORD.setOpaque(present, word, present[word] | 1L << slot);
    }

    /** Hides a slot from matches that begin later, whatever it holds. */
    void close(int slot) {
        long[] present = layout.present;
        int word = slot / Long.SIZE;
        WORD.setOpaque(present, word, present[word] & ~(1L << slot));
    }

    /** Notes that a slot that does not hold this key does now. */
    void add(long key, int slot) {
        int segment = (int) (spread(key) >>> SEGMENT_SHIFT);
        long[] cells = layout.segments[segment];
        int stride = layout.words + 1;
        int at = cellOf(cells, stride, key);
        if (cells[at] == 0) {
            if (used[segment] + 1 > (int) cells[0] * MAX_USED) {
                cells = rebuild(segment, live[segment] + 1);
                at = cellOf(cells, stride, key);
            }
            used[segment]++;
        }
        if (isEmpty(cells, at, stride)) {
            live[segment]++;
            blocks++;
        }
        int word = at + 1 + slot / Long.SIZE;
        WORD.setOpaque(cells, word, cells[word] | 1L << slot);
        WORD.setRelease(cells, at, key);
    }

    /** Notes that a slot that holds this key does no longer. */
    void remove(long key, int slot) {
        int segment = (int) (spread(key) >>> SEGMENT_SHIFT);
        long[] cells = layout.segments[segment];
        int stride = layout.words + 1;
        int at = cellOf(cells, stride, key);
        int word = at + 1 + slot / Long.SIZE;
        WORD.setOpaque(cells, word, cells[word] & ~(1L << slot));
        if (isEmpty(cells, at, stride)) {
            live[segment]--;
            blocks--;
            if (cells[0] > SMALLEST && live[segment] < (int) cells[0] * MIN_LIVE) {
                rebuild(segment, live[segment]);
            }
        }
    }

    /** {@return where the key is, or the free cell where it belongs} */
    private static int cellOf(long[] cells, int stride, long key) {
        int at = FIRST_CELL + place(spread(key), (int) cells[0]) * stride;
        while (cells[at] != key && cells[at] != 0) {
            at += stride;
            if (at == cells.length) {
                at = FIRST_CELL;
            }
        }
        return at;
    }

    private static boolean isEmpty(long[] cells, int at, int stride) {
        for (int word = 1; word < stride; word++) {
            if (cells[at + word] != 0) {
                return false;
            }
        }
        return true;
    }

    private long[] rebuild(int segment, int wanted) {
        int stride = layout.words + 1;
        long[] old = layout.segments[segment];
        long[] cells = newCells(wanted, stride);
        copy(old, stride, cells, stride);
        words += cells.length - old.length;
        used[segment] = live[segment];
        SEGMENT.setRelease(layout.segments, segment, cells);
        return cells;
    }

    private static long[] newCells(int wanted, int stride) {
        int cells = Math.max(SMALLEST, (int) Math.ceil(wanted / BUILT_LIVE));
        long[] array = new long[FIRST_CELL + cells * stride];
        array[0] = cells;
        return array;
    }

    /** Copies the cells that live to an array of the same or a wider stride. */
    private static void copy(long[] from, int fromStride, long[] to, int toStride) {
        for (int at = FIRST_CELL; at < from.length; at += fromStride) {
            if (!isEmpty(from, at, fromStride)) {
                System.arraycopy(from, at, to, cellOf(to, toStride, from[at]), fromStride);
            }
        }
    }

    private void widen(int wantedWords) {
        Layout old = layout;
        Layout wide = new Layout(wantedWords);
        words = 0;
        System.arraycopy(old.present, 0, wide.present, 0, old.words);
        fill(wide);
        for (int segment = 0; segment < SEGMENTS; segment++) {
            copy(old.segments[segment], old.words + 1, wide.segments[segment], wantedWords + 1);
            used[segment] = live[segment];
        }
        layout = wide;
    }

    private void fill(Layout empty) {
        for (int segment = 0; segment < SEGMENTS; segment++) {
            empty.segments[segment] = newCells(live[segment], empty.words + 1);
            words += empty.segments[segment].length;
        }
    }

    /** All arrays of one width. Those of a layout that was replaced stay as they were. */
    private static final class Layout {
        final int words;
        final long[] present;
        final long[][] segments = new long[SEGMENTS][];

        Layout(int words) {
            this.words = words;
            this.present = new long[words];
        }
    }
}
