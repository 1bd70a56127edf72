/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import io.balancedllm.prefix.BlockRun.Slice;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Finds a run by the hash of its first block, without locks, while one writer at a time changes it.
 *
 * <p>Open addressing with linear probing in {@value #SEGMENTS} segments that grow apart, so that no write takes long. A
 * cell that lost its run keeps a tombstone, which a new run may take: a slice carries its own key, so that whatever a
 * reader finds in a cell is whole, and a run that was there all along is always found. A segment is built anew when
 * {@link #MAX_USED} of its cells are used, tombstones included, or fewer than {@link #MIN_LIVE} live.
 */
final class RunTable {
    /** A power of 2. */
    private static final int SEGMENTS = 64;

    private static final int SEGMENT_SHIFT = Long.SIZE - Integer.numberOfTrailingZeros(SEGMENTS);
    private static final int SMALLEST = 8;
    private static final double MAX_USED = 0.75;
    private static final double BUILT_LIVE = 0.5;
    private static final double MIN_LIVE = 0.25;

    /** 2^64 over the golden ratio: spreads keys that differ little over all bits. */
    private static final long SPREAD = 0x9E3779B97F4A7C15L;

    private static final Slice GONE = new BlockRun(null, new long[1]).slice;

    private final AtomicReferenceArray<AtomicReferenceArray<@Nullable Slice>> segments =
            new AtomicReferenceArray<>(SEGMENTS);

    // For the writer.
    private final int[] used = new int[SEGMENTS];
    private final int[] live = new int[SEGMENTS];
    private long cells;

    RunTable() {
        for (int segment = 0; segment < SEGMENTS; segment++) {
            segments.setPlain(segment, new AtomicReferenceArray<>(SMALLEST));
        }
        cells = (long) SEGMENTS * SMALLEST;
    }

    /** {@return how many cells there are; for the writer} */
    long cells() {
        return cells;
    }

    /** {@return the run that begins with this block, or null} Never blocks. */
    @Nullable
    Slice find(long first) {
        long spread = spread(first);
        AtomicReferenceArray<@Nullable Slice> segment = segments.getAcquire(segment(spread));
        int at = home(spread, segment.length());
        while (true) {
            Slice found = segment.getAcquire(at);
            if (found == null || (found.first == first && found != GONE)) {
                return found;
            }
            at = after(at, segment.length());
        }
    }

    /** Puts a slice in the place of the one with the same first block, or in a new one. */
    void put(Slice slice) {
        long spread = spread(slice.first);
        int number = segment(spread);
        AtomicReferenceArray<@Nullable Slice> segment = segments.getPlain(number);
        int free = -1;
        int at = home(spread, segment.length());
        Slice found;
        while ((found = segment.getPlain(at)) != null) {
            if (found == GONE) {
                free = free < 0 ? at : free;
            } else if (found.first == slice.first) {
                segment.setRelease(at, slice);
                return;
            }
            at = after(at, segment.length());
        }
        live[number]++;
        if (free >= 0) {
            segment.setRelease(free, slice);
            return;
        }
        used[number]++;
        segment.setRelease(at, slice);
        if (used[number] > segment.length() * MAX_USED) {
            rebuild(number);
        }
    }

    /** Removes the run that begins with this block. */
    void remove(long first) {
        long spread = spread(first);
        int number = segment(spread);
        AtomicReferenceArray<@Nullable Slice> segment = segments.getPlain(number);
        int at = home(spread, segment.length());
        Slice found;
        while ((found = segment.getPlain(at)) != null) {
            if (found.first == first && found != GONE) {
                segment.setRelease(at, GONE);
                live[number]--;
                if (segment.length() > SMALLEST && live[number] < segment.length() * MIN_LIVE) {
                    rebuild(number);
                }
                return;
            }
            at = after(at, segment.length());
        }
    }

    private void rebuild(int number) {
        AtomicReferenceArray<@Nullable Slice> old = segments.getPlain(number);
        int length = Math.max(SMALLEST, (int) Math.ceil(live[number] / BUILT_LIVE));
        AtomicReferenceArray<@Nullable Slice> built = new AtomicReferenceArray<>(length);
        for (int i = 0; i < old.length(); i++) {
            Slice slice = old.getPlain(i);
            if (slice != null && slice != GONE) {
                int at = home(spread(slice.first), length);
                while (built.getPlain(at) != null) {
                    at = after(at, length);
                }
                built.setPlain(at, slice);
            }
        }
        used[number] = live[number];
        cells += length - old.length();
        segments.setRelease(number, built);
    }

    private static int segment(long spread) {
        return (int) (spread >>> SEGMENT_SHIFT);
    }

    /** {@return a place by the lower half of the spread} */
    private static int home(long spread, int places) {
        return (int) (((spread & 0xFFFF_FFFFL) * places) >>> Integer.SIZE);
    }

    private static int after(int place, int places) {
        return place + 1 == places ? 0 : place + 1;
    }

    /** {@return bits to place a key by, all of them dependent on all of the key} */
    static long spread(long key) {
        long spread = key * SPREAD;
        return spread ^ (spread >>> 32);
    }
}
