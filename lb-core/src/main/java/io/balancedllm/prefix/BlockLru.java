/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

/**
 * The keys of one holder in the order of their use, each with the ordinal of its last use. Not thread-safe.
 *
 * <p>One array, open addressing with linear probing: a place has the key, the places before and after it in the order of
 * use, and the ordinal, 24 bytes together. Keys are moved back on removal, so there are no dead places.
 */
final class BlockLru {
    /** Keys never have this value: it stands for no key. */
    static final long NO_KEY = 0;

    private static final int WIDTH = 3;
    private static final int LINKS = 1;
    private static final int ORDINAL = 2;
    private static final int NONE = -1;
    private static final int SMALLEST = 16;
    private static final double MAX_LOAD = 0.8;
    private static final double MIN_LOAD = 0.4;
    private static final double GROWTH = 1.25;

    private long[] nodes;
    private int places;
    private int size;
    private int expected = Integer.MAX_VALUE;
    private int oldest = NONE;
    private int newest = NONE;

    BlockLru() {
        allocate(SMALLEST);
    }

    int size() {
        return size;
    }

    long bytes() {
        return (long) Long.BYTES * nodes.length;
    }

    /** Says how many keys there will be at most, so that there is room for no more than these. */
    void expect(int keys) {
        expected = keys;
    }

    /** {@return the key unused for longest, or {@link #NO_KEY}} */
    long oldest() {
        return oldest == NONE ? NO_KEY : nodes[oldest * WIDTH];
    }

    /** {@return the ordinal of its last use; negative when there is none} */
    long oldestUse() {
        return oldest == NONE ? -1 : nodes[oldest * WIDTH + ORDINAL];
    }

    /** {@return the ordinal of the last use of this key; negative when it is not here} */
    long lastUse(long key) {
        int place = find(key);
        return nodes[place * WIDTH] == NO_KEY ? -1 : nodes[place * WIDTH + ORDINAL];
    }

    /** {@return whether the key is new} Makes it the newest either way. */
    boolean use(long key, long ordinal) {
        int place = find(key);
        boolean isNew = nodes[place * WIDTH] == NO_KEY;
        if (isNew) {
            if (size + 1 > places * MAX_LOAD) {
                resize(placesFor(size + 1));
                place = find(key);
            }
            nodes[place * WIDTH] = key;
            size++;
            append(place);
        } else if (place != newest) {
            unlink(place);
            append(place);
        }
        nodes[place * WIDTH + ORDINAL] = ordinal;
        return isNew;
    }

    /** {@return whether the key was here} */
    boolean remove(long key) {
        int place = find(key);
        if (nodes[place * WIDTH] == NO_KEY) {
            return false;
        }
        unlink(place);
        close(place);
        size--;
        if (places > SMALLEST && size < places * MIN_LOAD) {
            resize(placesFor(size));
        }
        return true;
    }

    /** {@return where the key is, or the free place where it belongs} */
    private int find(long key) {
        int place = home(key);
        while (nodes[place * WIDTH] != key && nodes[place * WIDTH] != NO_KEY) {
            place = after(place);
        }
        return place;
    }

    private int home(long key) {
        return BlockTable.place(BlockTable.spread(key), places);
    }

    private int after(int place) {
        return place + 1 == places ? 0 : place + 1;
    }

    /** Frees a place and moves back what probing would no longer find. */
    private void close(int place) {
        int gap = place;
        for (int at = after(gap); nodes[at * WIDTH] != NO_KEY; at = after(at)) {
            int home = home(nodes[at * WIDTH]);
            boolean reachable = gap <= at ? gap < home && home <= at : gap < home || home <= at;
            if (!reachable) {
                move(at, gap);
                gap = at;
            }
        }
        nodes[gap * WIDTH] = NO_KEY;
    }

    private void move(int from, int to) {
        System.arraycopy(nodes, from * WIDTH, nodes, to * WIDTH, WIDTH);
        int previous = previous(to);
        int next = next(to);
        if (previous == NONE) {
            oldest = to;
        } else {
            link(previous, previous(previous), to);
        }
        if (next == NONE) {
            newest = to;
        } else {
            link(next, to, next(next));
        }
    }

    private void append(int place) {
        link(place, newest, NONE);
        if (newest == NONE) {
            oldest = place;
        } else {
            link(newest, previous(newest), place);
        }
        newest = place;
    }

    private void unlink(int place) {
        int previous = previous(place);
        int next = next(place);
        if (previous == NONE) {
            oldest = next;
        } else {
            link(previous, previous(previous), next);
        }
        if (next == NONE) {
            newest = previous;
        } else {
            link(next, previous, next(next));
        }
    }

    private int previous(int place) {
        return (int) (nodes[place * WIDTH + LINKS] >> Integer.SIZE);
    }

    private int next(int place) {
        return (int) nodes[place * WIDTH + LINKS];
    }

    private void link(int place, int previous, int next) {
        nodes[place * WIDTH + LINKS] = (long) previous << Integer.SIZE | Integer.toUnsignedLong(next);
    }

    /** With room to grow, but not beyond what is expected. */
    private int placesFor(int keys) {
        double room = Math.max(keys, Math.min(keys * GROWTH, (double) expected));
        return Math.max(SMALLEST, (int) Math.ceil(room / MAX_LOAD));
    }

    private void resize(int wanted) {
        long[] old = nodes;
        int at = oldest;
        allocate(wanted);
        size = 0;
        oldest = NONE;
        newest = NONE;
        while (at != NONE) {
            use(old[at * WIDTH], old[at * WIDTH + ORDINAL]);
            at = (int) old[at * WIDTH + LINKS];
        }
    }

    private void allocate(int wanted) {
        places = wanted;
        nodes = new long[wanted * WIDTH];
    }
}
