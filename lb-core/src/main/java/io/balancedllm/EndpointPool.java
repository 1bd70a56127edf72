/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.discovery.EndpointSource;
import io.balancedllm.discovery.EndpointSpec;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.health.HealthCheck;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.Function;
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
    /** A good interval for {@link Builder#reportEvery}. */
    public static final Duration DEFAULT_REPORT_INTERVAL = Duration.ofSeconds(1);

    private static final Logger LOG = LoggerFactory.getLogger(EndpointPool.class);

    /** A timeout is counted in nanoseconds, of which a {@code long} holds three centuries. */
    private static final Duration LONGEST_DRAIN = Duration.ofDays(36_500);

    private final Object lock = new Object();
    private final PoolOwner owner;
    private final PoolWatchers watchers;
    private final Membership members;
    private final Drains drains;
    private final List<PoolSource> sources = new CopyOnWriteArrayList<>();

    private EndpointPool(HealthCheck check, @Nullable Duration reportInterval) {
        owner = new PoolOwner(reportInterval);
        watchers = new PoolWatchers(owner::loop);
        members = new Membership(check, lock, owner, watchers, this::released);
        drains = new Drains(lock, owner, members::tell);
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
        members.add(endpoint, endpoint.backend().traits());
        owner.capacityChanged();
    }

    /**
     * Exchanges the endpoint of the same id, or adds one when there is none. The old generation takes no new attempts,
     * those in flight go on to their end, and then its backend is closed.
     *
     * @throws IllegalStateException when the pool is closed
     */
    public void replace(Endpoint endpoint) {
        closeIfIdle(members.replace(endpoint, endpoint.backend().traits()));
        owner.capacityChanged();
    }

    /**
     * Takes an endpoint out. It gets no new attempts, those in flight go on to their end, and then its backend is
     * closed.
     *
     * @return whether there was one
     */
    public boolean remove(String id) {
        PoolMember member = members.remove(id);
        if (member == null) {
            return false;
        }
        closeIfIdle(member);
        owner.capacityChanged();
        return true;
    }

    /**
     * Changes an endpoint's weight from the next pick on.
     *
     * @throws IllegalArgumentException when there is no such endpoint, or the weight is not a finite number above 0
     */
    public void updateWeight(String id, double weight) {
        members.update(
                id,
                member -> member.weight(
                        member.endpoint().newBuilder().weight(weight).build().weight()));
    }

    /**
     * Changes how many attempts an endpoint takes at a time. Attempts above a lower limit go on; waiting calls move up
     * at once under a higher one.
     *
     * @throws IllegalArgumentException when there is no such endpoint, or the limit is below 1
     */
    public void updateMaxConcurrency(String id, int maxConcurrency) {
        members.update(
                id,
                member -> member.maxConcurrency(member.endpoint()
                        .newBuilder()
                        .maxConcurrency(maxConcurrency)
                        .build()
                        .maxConcurrency()));
        owner.capacityChanged();
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
            member = members.require(id);
            done = drains.start(member, timeout);
        }
        drains.finishIfIdle(member);
        owner.capacityChanged();
        return done.copy();
    }

    /**
     * Lets a draining endpoint take attempts again.
     *
     * @throws IllegalArgumentException when there is no such endpoint
     */
    public void resume(String id) {
        synchronized (lock) {
            drains.resume(members.require(id));
        }
        owner.capacityChanged();
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
            members.requireOpen();
            sources.add(feed);
        }
        feed.start();
    }

    /** Takes what an endpoint says of its load by way of its source. */
    void report(String id, EngineReport report) {
        PoolMember member = snapshot().member(id);
        if (member != null) {
            member.report(report);
        }
    }

    /** {@return the endpoints as they are now, in the order they were added} */
    public List<EndpointStatus> endpoints() {
        List<EndpointStatus> result = new ArrayList<>();
        for (PoolMember member : snapshot().members()) {
            result.add(status(member));
        }
        return List.copyOf(result);
    }

    /** {@return the endpoint of this id as it is now} */
    public Optional<EndpointStatus> endpoint(String id) {
        return Optional.ofNullable(snapshot().member(id)).map(EndpointPool::status);
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
        members.close();
        sources.forEach(PoolSource::close); // holding no lock: a source may be telling of a change
        List<PoolMember> leaving = members.clear();
        leaving.forEach(EndpointPool::closeBackend);
        owner.capacityChanged();
    }

    PoolHealth health() {
        return members.health();
    }

    PoolSnapshot snapshot() {
        return members.snapshot();
    }

    void attach(EngineRoom engine) {
        members.attach(engine);
    }

    /** Reads anew what a backend can do, when it is in this pool; runs user code. */
    void refresh(PoolMember member) {
        members.refresh(member, member.endpoint().backend().traits());
        owner.capacityChanged();
    }

    /** Each lease that ends comes by here. */
    private void released(PoolMember member) {
        if (member.state() != EndpointState.ACTIVE) {
            drains.finishIfIdle(member);
            closeIfIdle(member);
        }
        owner.capacityChanged();
    }

    private void closeIfIdle(@Nullable PoolMember member) {
        if (member != null && member.state() == EndpointState.REMOVED && member.inFlight() == 0) {
            drains.finishIfIdle(member);
            owner.callback(() -> closeBackend(member));
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
