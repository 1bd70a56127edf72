/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The endpoints a {@link BalancedLlm} chooses from. May be changed at any time, under load: calls see one immutable
 * snapshot after another, attempts in flight are never cut by a change, and each generation of an endpoint keeps its own
 * counts. Thread-safe.
 *
 * <p>A pool belongs to one balancer, which closes it. It owns the backends of its endpoints unless they say otherwise.
 */
public final class EndpointPool implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointPool.class);

    /** A timeout is counted in nanoseconds, of which a {@code long} holds three centuries. */
    private static final Duration LONGEST_DRAIN = Duration.ofDays(36_500);

    private final Object lock = new Object();
    private final List<PoolMember> members = new ArrayList<>();
    private final Map<PoolMember, Drain> drains = new HashMap<>();
    private final List<Consumer<PoolEvent>> watchers = new CopyOnWriteArrayList<>();
    private final SerialExecutor events = new SerialExecutor(this::runUserCode);
    private volatile PoolSnapshot snapshot = PoolSnapshot.EMPTY;
    private volatile @Nullable EngineRoom room;
    private long generations;
    private boolean closed;

    private EndpointPool() {}

    /** {@return a builder of a pool} */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Adds an endpoint, which gets calls from now on.
     *
     * @throws IllegalArgumentException when the pool has an endpoint of this id; {@link #replace} exchanges one
     * @throws IllegalStateException when the pool is closed
     */
    public void add(Endpoint endpoint) {
        BackendTraits traits = endpoint.backend().traits();
        synchronized (lock) {
            if (snapshot.member(endpoint.id()) != null) {
                throw new IllegalArgumentException(
                        "the pool has an endpoint \"" + endpoint.id() + "\": use replace(...) to exchange it");
            }
            PoolMember member = create(endpoint, traits);
            members.add(member);
            publish();
            tell(PoolEvent.Kind.ADDED, member);
        }
        capacityChanged();
    }

    /**
     * Exchanges the endpoint of the same id, or adds one when there is none. The old generation takes no new attempts,
     * those in flight go on to their end, and then its backend is closed.
     *
     * @throws IllegalStateException when the pool is closed
     */
    public void replace(Endpoint endpoint) {
        BackendTraits traits = endpoint.backend().traits();
        PoolMember old;
        synchronized (lock) {
            old = snapshot.member(endpoint.id());
            PoolMember member = create(endpoint, traits);
            members.add(old == null ? members.size() : members.indexOf(old), member);
            if (old != null) {
                members.remove(old);
            }
            publish(); // before the old one stops taking attempts: no call finds neither of them
            if (old != null) {
                left(old);
            }
            tell(PoolEvent.Kind.ADDED, member);
        }
        closeIfIdle(old);
        capacityChanged();
    }

    /**
     * Takes an endpoint out. It gets no new attempts, those in flight go on to their end, and then its backend is
     * closed.
     *
     * @return whether there was one
     */
    public boolean remove(String id) {
        PoolMember member;
        synchronized (lock) {
            member = snapshot.member(id);
            if (member == null) {
                return false;
            }
            members.remove(member);
            publish();
            left(member);
        }
        closeIfIdle(member);
        capacityChanged();
        return true;
    }

    /**
     * Changes an endpoint's weight from the next pick on.
     *
     * @throws IllegalArgumentException when there is no such endpoint, or the weight is not a finite number above 0
     */
    public void updateWeight(String id, double weight) {
        synchronized (lock) {
            PoolMember member = require(id);
            member.weight(member.endpoint().newBuilder().weight(weight).build().weight());
            tell(PoolEvent.Kind.UPDATED, member);
        }
    }

    /**
     * Changes how many attempts an endpoint takes at a time. Attempts above a lower limit go on; waiting calls move up
     * at once under a higher one.
     *
     * @throws IllegalArgumentException when there is no such endpoint, or the limit is below 1
     */
    public void updateMaxConcurrency(String id, int maxConcurrency) {
        synchronized (lock) {
            PoolMember member = require(id);
            member.maxConcurrency(member.endpoint()
                    .newBuilder()
                    .maxConcurrency(maxConcurrency)
                    .build()
                    .maxConcurrency());
            tell(PoolEvent.Kind.UPDATED, member);
        }
        capacityChanged();
    }

    /** Drains an endpoint without a time limit; see {@link #drain(String, Duration)}. */
    public CompletableFuture<Boolean> drain(String id) {
        return startDrain(id, null);
    }

    /**
     * Asks an endpoint to take no new attempts. It stays in the pool until it is {@linkplain #remove removed} or
     * {@linkplain #resume resumed}.
     *
     * @param id which
     * @param timeout when to end the attempts that still run; calls that have delivered nothing go elsewhere, the others
     *     fail, typed. Replaces the timeout of a drain that is under way
     * @return completes, on the balancer's callback threads, when no attempt is left: with true, or with false when the
     *     timeout had to end some or the endpoint was resumed
     * @throws IllegalArgumentException when there is no such endpoint, or the timeout is negative or above a century
     */
    public CompletableFuture<Boolean> drain(String id, Duration timeout) {
        if (timeout.isNegative() || timeout.compareTo(LONGEST_DRAIN) > 0) {
            throw new IllegalArgumentException("timeout must be 0 to " + LONGEST_DRAIN + ", got " + timeout);
        }
        return startDrain(id, timeout);
    }

    private CompletableFuture<Boolean> startDrain(String id, @Nullable Duration timeout) {
        PoolMember member;
        Drain drain;
        synchronized (lock) {
            member = require(id);
            drain = drains.get(member);
            if (drain == null) {
                drain = new Drain();
                drains.put(member, drain);
                member.state(EndpointState.DRAINING);
                tell(PoolEvent.Kind.DRAINING, member);
            }
            EngineRoom engine = room;
            if (timeout != null && engine != null) {
                Drain current = drain;
                drain.cancelTimer();
                drain.timer = engine.scheduler().schedule("drain", timeout.toNanos(), () -> timeOut(member, current));
            }
        }
        finishDrainIfIdle(member);
        capacityChanged();
        return drain.done.copy();
    }

    private void timeOut(PoolMember member, Drain drain) {
        EngineRoom engine = room;
        synchronized (lock) {
            if (drains.get(member) != drain) {
                return;
            }
            drain.clean = false;
            member.evicting(true);
        }
        if (engine != null) {
            engine.evict(member);
        }
    }

    /**
     * Lets a draining endpoint take attempts again.
     *
     * @throws IllegalArgumentException when there is no such endpoint
     */
    public void resume(String id) {
        synchronized (lock) {
            PoolMember member = require(id);
            Drain drain = drains.remove(member);
            if (member.state() != EndpointState.DRAINING) {
                return;
            }
            member.evicting(false);
            member.state(EndpointState.ACTIVE);
            tell(PoolEvent.Kind.RESUMED, member);
            if (drain != null) {
                drain.cancelTimer();
                complete(drain, false);
            }
        }
        capacityChanged();
    }

    /** {@return the endpoints as they are now, in the order they were added} */
    public List<EndpointStatus> endpoints() {
        List<EndpointStatus> result = new ArrayList<>();
        for (PoolMember member : snapshot.members()) {
            result.add(status(member));
        }
        return List.copyOf(result);
    }

    /** {@return the endpoint of this id as it is now} */
    public Optional<EndpointStatus> endpoint(String id) {
        return Optional.ofNullable(snapshot.member(id)).map(EndpointPool::status);
    }

    private static EndpointStatus status(PoolMember member) {
        return new EndpointStatus(
                member.id(),
                member.generation(),
                member.state(),
                member.weight(),
                member.maxConcurrency(),
                member.inFlight(),
                member.models().keySet(),
                member.labels());
    }

    /**
     * Tells changes from now on, one at a time and in order, on the balancer's loop (before the pool has a balancer, on
     * the thread that makes the change).
     *
     * @param watcher what to tell
     * @return ends the watch when it is closed
     */
    public Watch watch(Consumer<PoolEvent> watcher) {
        watchers.add(watcher);
        return () -> watchers.remove(watcher);
    }

    /** Takes all endpoints out and closes their backends, which fails what still runs on them. Idempotent. */
    @Override
    public void close() {
        List<PoolMember> leaving;
        synchronized (lock) {
            closed = true;
            leaving = List.copyOf(members);
            members.clear();
            publish();
            leaving.forEach(this::left);
        }
        leaving.forEach(EndpointPool::closeBackend);
        capacityChanged();
    }

    PoolSnapshot snapshot() {
        return snapshot;
    }

    void attach(EngineRoom engine) {
        synchronized (lock) {
            if (room != null) {
                throw new IllegalStateException("the pool belongs to another BalancedLlm: build one pool for each");
            }
            room = engine;
            members.forEach(member -> member.recorder(engine.statistics().endpointAdded(member.id())));
        }
    }

    private PoolMember create(Endpoint endpoint, BackendTraits traits) {
        if (closed) {
            throw new IllegalStateException("the pool is closed");
        }
        PoolMember[] self = new PoolMember[1];
        PoolMember member = new PoolMember(endpoint, traits, ++generations, () -> released(self[0]));
        self[0] = member;
        EngineRoom engine = room;
        if (engine != null) {
            member.recorder(engine.statistics().endpointAdded(member.id()));
        }
        return member;
    }

    private void left(PoolMember member) {
        member.state(EndpointState.REMOVED);
        EngineRoom engine = room;
        if (engine != null) {
            engine.statistics().endpointRemoved(member.recorder());
        }
        tell(PoolEvent.Kind.REMOVED, member);
    }

    private void publish() {
        snapshot = new PoolSnapshot(members);
    }

    private PoolMember require(String id) {
        PoolMember member = snapshot.member(id);
        if (member == null) {
            List<String> known = endpoints().stream().map(EndpointStatus::id).toList();
            throw new IllegalArgumentException("the pool has no endpoint \"" + id + "\", only " + known);
        }
        return member;
    }

    /** Each lease that ends comes by here. */
    private void released(PoolMember member) {
        if (member.state() != EndpointState.ACTIVE) {
            finishDrainIfIdle(member);
            closeIfIdle(member);
        }
        capacityChanged();
    }

    private void capacityChanged() {
        EngineRoom engine = room;
        if (engine != null) {
            engine.capacityChanged();
        }
    }

    private void finishDrainIfIdle(PoolMember member) {
        Drain drain;
        synchronized (lock) {
            if (member.inFlight() != 0) {
                return;
            }
            drain = drains.remove(member);
            if (drain == null) {
                return;
            }
            tell(PoolEvent.Kind.DRAINED, member);
            drain.cancelTimer();
        }
        complete(drain, drain.clean);
    }

    private void complete(Drain drain, boolean clean) {
        EngineRoom engine = room;
        if (engine == null) {
            drain.done.complete(clean);
        } else {
            engine.callback(() -> drain.done.complete(clean));
        }
    }

    private void closeIfIdle(@Nullable PoolMember member) {
        if (member != null && member.state() == EndpointState.REMOVED && member.inFlight() == 0) {
            finishDrainIfIdle(member);
            EngineRoom engine = room;
            if (engine == null) {
                closeBackend(member);
            } else {
                engine.callback(() -> closeBackend(member));
            }
        }
    }

    private static void closeBackend(PoolMember member) {
        if (member.mayCloseBackend()) {
            try {
                member.endpoint().backend().close();
            } catch (RuntimeException e) {
                LOG.warn("closing the backend of endpoint {} failed", member.id(), e);
            }
        }
    }

    private void tell(PoolEvent.Kind kind, PoolMember member) {
        PoolEvent event = new PoolEvent(kind, member.id(), member.generation());
        events.execute(() -> {
            for (Consumer<PoolEvent> watcher : watchers) {
                try {
                    watcher.accept(event);
                } catch (Throwable e) {
                    LOG.warn("a watcher of the pool failed at {}", event, e);
                }
            }
        });
    }

    private void runUserCode(Runnable task) {
        EngineRoom engine = room;
        if (engine == null) {
            task.run();
        } else {
            engine.loop().execute(task);
        }
    }

    private static final class Drain {
        final CompletableFuture<Boolean> done = new CompletableFuture<>();
        boolean clean = true;
        Scheduler.@Nullable Timer timer;

        void cancelTimer() {
            if (timer != null) {
                timer.cancel();
                timer = null;
            }
        }
    }

    /** A watch of a pool, ended by closing it. */
    @FunctionalInterface
    public interface Watch extends AutoCloseable {
        @Override
        void close();
    }

    /** Builds an {@link EndpointPool}. Not thread-safe. */
    public static final class Builder {
        private final Map<String, Endpoint> endpoints = new LinkedHashMap<>();

        private Builder() {}

        /**
         * Adds an endpoint.
         *
         * @throws IllegalArgumentException when its id was added already
         */
        public Builder add(Endpoint endpoint) {
            if (endpoints.putIfAbsent(endpoint.id(), endpoint) != null) {
                throw new IllegalArgumentException("endpoint ids are unique, got \"" + endpoint.id() + "\" twice");
            }
            return this;
        }

        /** {@return the pool; it may be empty and filled later} */
        public EndpointPool build() {
            EndpointPool pool = new EndpointPool();
            endpoints.values().forEach(pool::add);
            return pool;
        }
    }
}
