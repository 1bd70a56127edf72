/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.discovery.EndpointSource;
import io.balancedllm.discovery.EndpointSpec;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.event.HealthChange;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.health.HealthCheck;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * The endpoints a {@link BalancedLlm} chooses from. May be changed at any time, under load: calls see one immutable
 * snapshot after another, attempts in flight are never cut by a change, and each generation of an endpoint keeps its own
 * counts. Thread-safe.
 *
 * <p>A pool belongs to one balancer, which closes it. It owns the backends of its endpoints unless they say otherwise.
 */
public final class EndpointPool implements AutoCloseable {
    /** A good interval for {@link Builder#reportEvery}. */
    public static final Duration DEFAULT_REPORT_INTERVAL = Duration.ofSeconds(1);

    private static final Logger LOG = LoggerFactory.getLogger(EndpointPool.class);

    /** A timeout is counted in nanoseconds, of which a {@code long} holds three centuries. */
    private static final Duration LONGEST_DRAIN = Duration.ofDays(36_500);

    /** States that somebody should look after. */
    private static final Set<HealthState> TROUBLE =
            EnumSet.of(HealthState.UNHEALTHY, HealthState.EJECTED, HealthState.QUARANTINED);

    private final Object lock = new Object();
    private final List<PoolMember> members = new ArrayList<>();
    private final Drains drains = new Drains(lock, () -> room(), this::tell);
    private final PoolWatchers watchers = new PoolWatchers(this::runUserCode);
    private final PoolHealth health;
    private volatile PoolSnapshot snapshot = PoolSnapshot.EMPTY;
    private final List<PoolSource> sources = new CopyOnWriteArrayList<>();
    private final @Nullable Duration reportInterval;
    private volatile @Nullable EngineRoom room;
    private volatile @Nullable LoadReports reports;
    private long generations;
    private boolean closed;

    private EndpointPool(HealthCheck check, @Nullable Duration reportInterval) {
        health = new PoolHealth(check, this, lock, this::publish);
        this.reportInterval = reportInterval;
    }

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
            judge(member);
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
            judge(member);
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
        CompletableFuture<Boolean> done;
        synchronized (lock) {
            member = require(id);
            done = drains.start(member, timeout);
        }
        drains.finishIfIdle(member);
        capacityChanged();
        return done.copy();
    }

    /**
     * Lets a draining endpoint take attempts again.
     *
     * @throws IllegalArgumentException when there is no such endpoint
     */
    public void resume(String id) {
        synchronized (lock) {
            drains.resume(require(id));
        }
        capacityChanged();
    }

    /**
     * Lets a source say which endpoints there are, from now on: what it names joins, what it no longer names leaves and
     * ends what it has in flight, another generation or address replaces the old one, and weight and capacity change in
     * place. Endpoints that were added otherwise, or by another source, stay as they are. Endpoints whose backend cannot
     * be made are left out, and tried again with the next set.
     *
     * @param source started here, closed with this pool
     * @param backend makes the backend of an endpoint, such as {@code spec -> OpenAiBackend.at(spec.url())}
     * @throws IllegalStateException when the pool is closed
     */
    public void source(EndpointSource source, Function<EndpointSpec, LlmBackend> backend) {
        PoolSource feed = new PoolSource(this, source, backend);
        synchronized (lock) {
            if (closed) {
                throw new IllegalStateException("the pool is closed");
            }
            sources.add(feed);
        }
        feed.start();
    }

    /** Takes what an endpoint says of its load by way of its source. */
    void report(String id, EngineReport report) {
        PoolMember member = snapshot.member(id);
        if (member != null) {
            member.report(report);
        }
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
                member.healthState(),
                member.healthReason(),
                member.weight(),
                member.maxConcurrency(),
                member.inFlight(),
                member.served().names(),
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
        return watchers.add(watcher);
    }

    /** Takes all endpoints out and closes their backends, which fails what still runs on them. Idempotent. */
    @Override
    public void close() {
        List<PoolMember> leaving;
        synchronized (lock) {
            closed = true;
        }
        sources.forEach(PoolSource::close); // holding no lock: a source may be telling of a change
        synchronized (lock) {
            leaving = List.copyOf(members);
            members.clear();
            publish();
            leaving.forEach(this::left);
        }
        leaving.forEach(EndpointPool::closeBackend);
        capacityChanged();
    }

    PoolHealth health() {
        return health;
    }

    private @Nullable EngineRoom room() {
        return room;
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
            if (reportInterval != null) {
                reports = new LoadReports(engine, reportInterval);
            }
            members.forEach(member -> enter(engine, member));
            members.forEach(this::judge);
        }
    }

    private void enter(EngineRoom engine, PoolMember member) {
        engine.joined(member);
        LoadReports asking = reports;
        if (asking != null) {
            asking.joined(member);
        }
    }

    /** Reads anew what a backend can do, when it is in this pool; runs user code. */
    void refresh(PoolMember member) {
        BackendTraits traits = member.endpoint().backend().traits();
        synchronized (lock) {
            if (members.contains(member)) {
                member.served().update(traits);
                publish();
            }
        }
        capacityChanged();
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
            enter(engine, member);
        }
        health.join(member);
        return member;
    }

    private void judge(PoolMember member) {
        EngineRoom engine = room;
        MemberHealth judge = member.health();
        if (engine != null && judge != null) {
            judge.begin(engine);
        }
    }

    private void left(PoolMember member) {
        member.state(EndpointState.REMOVED);
        member.load().leave();
        MemberHealth judge = member.health();
        if (judge != null) {
            judge.end();
        }
        EngineRoom engine = room;
        if (engine != null) {
            engine.statistics().endpointRemoved(member.recorder());
        }
        tell(PoolEvent.Kind.REMOVED, member);
    }

    private void publish() {
        snapshot = new PoolSnapshot(members);
    }

    /** Makes what a member may take visible, and tells of the change of its health if there is one. */
    private void publish(PoolMember member, @Nullable HealthChange change) {
        snapshot = snapshot.with(member);
        if (change != null) {
            watchers.tell(new PoolEvent(PoolEvent.Kind.HEALTH, member.id(), member.generation(), change));
            member.recorder().healthChanged(change.to());
            LOG.atLevel(TROUBLE.contains(change.to()) ? Level.WARN : Level.DEBUG)
                    .log("endpoint {}: {} after {}: {}", member, change.to(), change.from(), change.reason());
        }
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
            drains.finishIfIdle(member);
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

    private void closeIfIdle(@Nullable PoolMember member) {
        if (member != null && member.state() == EndpointState.REMOVED && member.inFlight() == 0) {
            drains.finishIfIdle(member);
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
        watchers.tell(new PoolEvent(kind, member.id(), member.generation()));
    }

    private void runUserCode(Runnable task) {
        EngineRoom engine = room;
        if (engine == null) {
            task.run();
        } else {
            engine.loop().execute(task);
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
        private HealthCheck healthCheck = HealthCheck.defaults();
        private @Nullable Duration reportInterval;

        private Builder() {}

        /**
         * Asks each engine for its load at this interval (at least 100 ms, at most an hour, varied by a fifth), for
         * policies that read {@link io.balancedllm.endpoint.EndpointView#engineRequests()}. Not done by default: an
         * engine takes milliseconds to render its metrics, for each balancer that asks, and the load this balancer
         * causes is known without asking. {@link EndpointPool#DEFAULT_REPORT_INTERVAL} is a good interval.
         */
        public Builder reportEvery(Duration interval) {
            this.reportInterval = LoadReports.checked(interval);
            return this;
        }

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

        /** Sets how the endpoints are judged; default {@link HealthCheck#defaults()}. */
        public Builder healthCheck(HealthCheck check) {
            this.healthCheck = check;
            return this;
        }

        /** {@return the pool; it may be empty and filled later} */
        public EndpointPool build() {
            EndpointPool pool = new EndpointPool(healthCheck, reportInterval);
            endpoints.values().forEach(pool::add);
            return pool;
        }
    }
}
