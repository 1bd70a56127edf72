/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import io.balancedllm.cache.semantic.SharedTier.Item;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What waits to be sent. Bounded: the oldest entry makes room. Invalidations are not dropped; where there are too many of
 * them, everything is invalidated instead, which says more in less room. Thread-safe.
 */
final class Outbox {
    /** Entries and invalidations that wait at most. */
    static final int MAX_WAITING = 1_024;
    /** Bytes of entries that wait at most: 16 MiB. */
    static final long MAX_WAITING_BYTES = 16L << 20;

    private static final int BYTES_OF_AN_ID = 128;

    /** Something to be sent, and in which epoch of the cache it was said. */
    sealed interface Parcel {
        long epoch();

        long bytes();

        /** An entry. */
        record Put(Item item) implements Parcel {
            @Override
            public long epoch() {
                return item.epoch();
            }

            @Override
            public long bytes() {
                return (long) item.head().length + item.body().length;
            }
        }

        /** An invalidation of some entries. */
        record Forget(long epoch, List<String> ids) implements Parcel {
            @Override
            public long bytes() {
                return (long) BYTES_OF_AN_ID * ids.size();
            }
        }
    }

    private final ReentrantLock lock = new ReentrantLock();
    private final ArrayDeque<Parcel> waiting = new ArrayDeque<>();
    private final LongAdder dropped;
    private long bytes;
    private boolean flushOwed;
    private long flushEpoch;

    Outbox(LongAdder dropped) {
        this.dropped = dropped;
    }

    void add(Parcel parcel) {
        lock.lock();
        try {
            waiting.addLast(parcel);
            bytes += parcel.bytes();
            bound();
        } finally {
            lock.unlock();
        }
    }

    /** Everything is to be invalidated; what was said before says nothing any more. */
    void flush(long epoch) {
        lock.lock();
        try {
            owe(epoch);
        } finally {
            lock.unlock();
        }
    }

    private void owe(long epoch) {
        waiting.removeIf(parcel -> parcel.epoch() < epoch);
        bytes = waiting.stream().mapToLong(Parcel::bytes).sum();
        flushOwed = true;
        flushEpoch = Math.max(flushEpoch, epoch);
    }

    private void bound() {
        while (waiting.size() > MAX_WAITING || bytes > MAX_WAITING_BYTES) {
            Parcel oldest = waiting.removeFirst();
            bytes -= oldest.bytes();
            if (oldest instanceof Parcel.Forget forget) {
                owe(forget.epoch());
            } else {
                dropped.increment();
            }
        }
    }

    /** {@return the epoch of the cache that begins with an invalidation of everything that is to be sent first} */
    OptionalLong owedFlush() {
        lock.lock();
        try {
            return flushOwed ? OptionalLong.of(flushEpoch) : OptionalLong.empty();
        } finally {
            lock.unlock();
        }
    }

    /** The invalidation of everything was sent. */
    void flushed(long epoch) {
        lock.lock();
        try {
            flushOwed &= flushEpoch != epoch;
        } finally {
            lock.unlock();
        }
    }

    /** Takes out what is to be sent next. What was said in an earlier epoch is dropped, and what will be in a later stays. */
    List<Parcel> take(int atMost, long epoch) {
        lock.lock();
        try {
            List<Parcel> taken = new ArrayList<>();
            Parcel next = waiting.peekFirst();
            while (next != null && next.epoch() <= epoch && taken.size() < atMost) {
                waiting.removeFirst();
                bytes -= next.bytes();
                if (next.epoch() == epoch) {
                    taken.add(next);
                }
                next = waiting.peekFirst();
            }
            return taken;
        } finally {
            lock.unlock();
        }
    }

    /** Puts back what could not be sent. */
    void putBack(List<Parcel> parcels) {
        lock.lock();
        try {
            for (int i = parcels.size() - 1; i >= 0; i--) {
                if (!flushOwed || parcels.get(i).epoch() >= flushEpoch) {
                    waiting.addFirst(parcels.get(i));
                    bytes += parcels.get(i).bytes();
                }
            }
            bound();
        } finally {
            lock.unlock();
        }
    }

    int size() {
        lock.lock();
        try {
            return waiting.size() + (flushOwed ? 1 : 0);
        } finally {
            lock.unlock();
        }
    }
}
