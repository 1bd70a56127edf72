/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.event.HealthChange;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.health.HealthCheck;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Who is in a pool: lets members in and out, publishes one immutable snapshot after another and tells the watchers of each
 * change. Guarded by the pool's lock, but for {@link #snapshot}.
 */
final class Membership {
    private static final Logger LOG = LoggerFactory.getLogger(EndpointPool.class);

    /** States that somebody should look after. */
    private static final Set<HealthState> TROUBLE =
            EnumSet.of(HealthState.UNHEALTHY, HealthState.EJECTED, HealthState.QUARANTINED);

    private final Object lock;
    private final PoolOwner owner;
    private final PoolWatchers watchers;
    private final Consumer<PoolMember> released;
    private final PoolHealth health;
    private final List<PoolMember> members = new ArrayList<>();
    private volatile PoolSnapshot snapshot = PoolSnapshot.EMPTY;
    private long generations;
    private boolean closed;

    /**
     * An empty one.
     *
     * @param lock the pool's
     * @param released called without the lock for each attempt that ends
     */
    Membership(HealthCheck check, Object lock, PoolOwner owner, PoolWatchers watchers, Consumer<PoolMember> released) {
        this.lock = lock;
        this.owner = owner;
        this.watchers = watchers;
        this.released = released;
        this.health = new PoolHealth(check, this, lock);
    }

    PoolSnapshot snapshot() {
        return snapshot;
    }

    PoolHealth health() {
        return health;
    }

    void attach(EngineRoom engine) {
        synchronized (lock) {
            owner.attach(engine);
            members.forEach(owner::joined);
            members.forEach(owner::judge);
        }
    }

    void add(Endpoint endpoint, BackendTraits traits) {
        synchronized (lock) {
            if (snapshot.member(endpoint.id()) != null) {
                throw new IllegalArgumentException(
                        "the pool has an endpoint \"" + endpoint.id() + "\": use replace(...) to exchange it");
            }
            PoolMember member = create(endpoint, traits);
            members.add(member);
            publish();
            tell(PoolEvent.Kind.ADDED, member);
            owner.judge(member);
        }
    }

    /** Lets an endpoint in, in the place of the one of the same id. {@return that one, null when there was none} */
    @Nullable
    PoolMember replace(Endpoint endpoint, BackendTraits traits) {
        synchronized (lock) {
            PoolMember old = snapshot.member(endpoint.id());
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
            owner.judge(member);
            return old;
        }
    }

    /** {@return who was taken out, null when there is no such member} */
    @Nullable
    PoolMember remove(String id) {
        synchronized (lock) {
            PoolMember member = snapshot.member(id);
            if (member != null) {
                members.remove(member);
                publish();
                left(member);
            }
            return member;
        }
    }

    /** Lets nobody in any more. */
    void close() {
        synchronized (lock) {
            closed = true;
        }
    }

    /** {@return all, who have been taken out} */
    List<PoolMember> clear() {
        synchronized (lock) {
            List<PoolMember> leaving = List.copyOf(members);
            members.clear();
            publish();
            leaving.forEach(this::left);
            return leaving;
        }
    }

    void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the pool is closed");
        }
    }

    PoolMember require(String id) {
        PoolMember member = snapshot.member(id);
        if (member == null) {
            List<String> known =
                    Arrays.stream(snapshot.members()).map(PoolMember::id).toList();
            throw new IllegalArgumentException("the pool has no endpoint \"" + id + "\", only " + known);
        }
        return member;
    }

    /** Changes a member in place. */
    void update(String id, Consumer<PoolMember> change) {
        synchronized (lock) {
            PoolMember member = require(id);
            change.accept(member);
            tell(PoolEvent.Kind.UPDATED, member);
        }
    }

    /** Takes what a backend can do from now on, when it is in this pool. */
    void refresh(PoolMember member, BackendTraits traits) {
        synchronized (lock) {
            if (members.contains(member)) {
                member.served().update(traits);
                publish();
            }
        }
    }

    /** Makes what a member may take visible, and tells of the change of its health if there is one. With the lock. */
    void publish(PoolMember member, @Nullable HealthChange change) {
        snapshot = snapshot.with(member);
        if (change != null) {
            watchers.tell(new PoolEvent(PoolEvent.Kind.HEALTH, member.id(), member.generation(), change));
            member.recorder().healthChanged(change.to());
            LOG.atLevel(TROUBLE.contains(change.to()) ? Level.WARN : Level.DEBUG)
                    .log("endpoint {}: {} after {}: {}", member, change.to(), change.from(), change.reason());
        }
    }

    private void publish() {
        snapshot = new PoolSnapshot(members);
    }

    private PoolMember create(Endpoint endpoint, BackendTraits traits) {
        requireOpen();
        PoolMember[] self = new PoolMember[1];
        PoolMember member = new PoolMember(endpoint, traits, ++generations, () -> released.accept(self[0]));
        self[0] = member;
        owner.joined(member);
        health.join(member);
        return member;
    }

    private void left(PoolMember member) {
        member.state(EndpointState.REMOVED);
        member.load().leave();
        MemberHealth judge = member.health();
        if (judge != null) {
            judge.end();
        }
        owner.left(member);
        tell(PoolEvent.Kind.REMOVED, member);
    }

    void tell(PoolEvent.Kind kind, PoolMember member) {
        watchers.tell(new PoolEvent(kind, member.id(), member.generation()));
    }
}
