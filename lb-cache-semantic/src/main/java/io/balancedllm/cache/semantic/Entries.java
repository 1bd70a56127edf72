/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * All entries: by key, by last use (over all and of each tenant), and by partition. Strictly the least recently used goes
 * first. One lock for changes and for the note that an entry was used; searching takes none.
 */
final class Entries {
    private final ReentrantLock lock = new ReentrantLock();
    private final LinkedHashMap<String, Entry> byUse = new LinkedHashMap<>(16, 0.75f, true);
    private final Map<String, Tenant> tenants = new HashMap<>();
    private final ConcurrentHashMap<String, VectorIndex> partitions = new ConcurrentHashMap<>();
    private final long maximumBytes;
    private final int maximumSize;
    private final long tenantMaximumBytes;
    private volatile Rotation rotation;
    private long bytes;
    private long evictions;

    Entries(int dimension, long maximumBytes, int maximumSize, long tenantMaximumBytes) {
        this.maximumBytes = maximumBytes;
        this.maximumSize = maximumSize;
        this.tenantMaximumBytes = tenantMaximumBytes;
        this.rotation = Rotation.none(dimension);
    }

    List<VectorIndex.Candidate> nearest(String partition, float[] query, float threshold) {
        VectorIndex index = partitions.get(partition);
        return index == null ? List.of() : index.nearest(query, threshold);
    }

    /** Stores an entry in place of the one with its key; false when it is larger than what there may be. */
    boolean put(Entry entry) {
        if (entry.bytes() > maximumBytes || (entry.tenant != null && entry.bytes() > tenantMaximumBytes)) {
            return false;
        }
        lock.lock();
        try {
            Entry replaced = byUse.get(entry.key);
            if (replaced != null) {
                remove(replaced);
            }
            byUse.put(entry.key, entry);
            bytes += entry.bytes();
            Tenant tenant = tenant(entry);
            if (tenant != null) {
                tenant.add(entry);
                while (tenant.bytes > tenantMaximumBytes) {
                    evict(tenant.byUse.values());
                }
            }
            while (bytes > maximumBytes || byUse.size() > maximumSize) {
                evict(byUse.values());
            }
            // last, so that the search finds it only when it has its place
            VectorIndex index = partitions.computeIfAbsent(entry.partition, name -> new VectorIndex(name, rotation));
            entry.partition = index.name();
            index.add(entry);
            return true;
        } finally {
            lock.unlock();
        }
    }

    private @Nullable Tenant tenant(Entry entry) {
        return entry.tenant == null ? null : tenants.computeIfAbsent(entry.tenant, name -> new Tenant());
    }

    private void evict(Collection<Entry> eldestFirst) {
        remove(eldestFirst.iterator().next());
        evictions++;
    }

    private void remove(Entry entry) {
        byUse.remove(entry.key);
        bytes -= entry.bytes();
        Tenant tenant = entry.tenant == null ? null : tenants.get(entry.tenant);
        if (tenant != null) {
            tenant.byUse.remove(entry.key);
            tenant.bytes -= entry.bytes();
            if (tenant.byUse.isEmpty()) {
                tenants.remove(entry.tenant);
            }
        }
        VectorIndex index = partitions.get(entry.partition);
        if (index != null) {
            index.remove(entry);
            if (index.size() == 0) {
                partitions.remove(entry.partition);
            }
        }
    }

    /** {@return the entry of this key, if it is usable now and of this partition} Notes that it was used. */
    Optional<Entry> use(String key, String partition, long now) {
        lock.lock();
        try {
            Entry entry = byUse.get(key);
            if (entry == null || !entry.usable(now) || !entry.partition.equals(partition)) {
                return Optional.empty();
            }
            return touch(entry) ? Optional.of(entry) : Optional.empty();
        } finally {
            lock.unlock();
        }
    }

    /** Notes that an entry was used; false when it has gone. */
    boolean touch(Entry entry) {
        lock.lock();
        try {
            if (byUse.get(entry.key) != entry) {
                return false;
            }
            Tenant tenant = entry.tenant == null ? null : tenants.get(entry.tenant);
            if (tenant != null) {
                tenant.byUse.get(entry.key);
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Takes out an entry; false when it has gone already. */
    boolean drop(Entry entry) {
        lock.lock();
        try {
            boolean there = byUse.get(entry.key) == entry;
            if (there) {
                remove(entry);
            }
            return there;
        } finally {
            lock.unlock();
        }
    }

    /** Takes out what the predicate says. {@return the keys} The predicate runs without the lock. */
    List<String> removeIf(Predicate<Entry> predicate) {
        return all().stream()
                .filter(predicate)
                .filter(this::drop)
                .map(entry -> entry.key)
                .toList();
    }

    /** Takes out the entries of these keys, as far as there are any. */
    void removeKeys(Collection<String> keys) {
        lock.lock();
        try {
            for (String key : keys) {
                Entry entry = byUse.get(key);
                if (entry != null) {
                    remove(entry);
                }
            }
        } finally {
            lock.unlock();
        }
    }

    void clear() {
        lock.lock();
        try {
            byUse.values().forEach(entry -> entry.alive = false);
            byUse.clear();
            tenants.clear();
            partitions.clear();
            bytes = 0;
        } finally {
            lock.unlock();
        }
    }

    /** {@return the entries now, the least recently used first} */
    List<Entry> all() {
        lock.lock();
        try {
            return new ArrayList<>(byUse.values());
        } finally {
            lock.unlock();
        }
    }

    /** Learns a basis from the entries there are, and computes all heads in it. */
    void learn() {
        List<Entry> all = all();
        int step = Math.max(1, all.size() / Rotation.SAMPLE);
        List<float[]> sample = new ArrayList<>();
        for (int i = 0; i < all.size(); i += step) {
            sample.add(all.get(i).vector);
        }
        Rotation learned = Rotation.learn(rotation.dimension(), sample);
        lock.lock();
        try {
            rotation = learned;
            partitions.values().forEach(index -> index.rotate(learned));
        } finally {
            lock.unlock();
        }
    }

    int size() {
        lock.lock();
        try {
            return byUse.size();
        } finally {
            lock.unlock();
        }
    }

    long bytes() {
        lock.lock();
        try {
            return bytes;
        } finally {
            lock.unlock();
        }
    }

    int partitions() {
        return partitions.size();
    }

    long evictions() {
        lock.lock();
        try {
            return evictions;
        } finally {
            lock.unlock();
        }
    }

    /** The entries of one tenant, by last use. */
    private static final class Tenant {
        private final LinkedHashMap<String, Entry> byUse = new LinkedHashMap<>(16, 0.75f, true);
        private long bytes;

        void add(Entry entry) {
            byUse.put(entry.key, entry);
            bytes += entry.bytes();
        }
    }
}
