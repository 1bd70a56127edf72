/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import java.util.Comparator;

/**
 * Where in a stream a record stands: the server's time, and a number for records of the same millisecond. Both are
 * unsigned on the server; times beyond the signed half are none that a server has.
 */
record StreamId(long millis, long number) implements Comparable<StreamId> {
    /** Before all records. */
    static final StreamId ZERO = new StreamId(0, 0);
    /** The first that a record can have. */
    static final StreamId FIRST = new StreamId(0, 1);

    private static final Comparator<StreamId> ORDER =
            Comparator.comparingLong(StreamId::millis).thenComparing(StreamId::number, Long::compareUnsigned);

    static StreamId parse(String text) {
        int dash = text.indexOf('-');
        return new StreamId(
                Long.parseUnsignedLong(text.substring(0, dash)), Long.parseUnsignedLong(text.substring(dash + 1)));
    }

    @Override
    public int compareTo(StreamId other) {
        return ORDER.compare(this, other);
    }

    boolean isAfter(StreamId other) {
        return compareTo(other) > 0;
    }

    @Override
    public String toString() {
        return Long.toUnsignedString(millis) + '-' + Long.toUnsignedString(number);
    }
}
