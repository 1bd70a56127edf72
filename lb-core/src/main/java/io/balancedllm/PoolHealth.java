/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.event.HealthChange;
import io.balancedllm.health.HealthCheck;
import org.jspecify.annotations.Nullable;

/** What the judges of a pool's members share. */
final class PoolHealth {
    /** Part of a pool's endpoints that may be ejected at a time; one always may. */
    static final double MAX_EJECTED = 0.5;

    private final HealthCheck check;
    private final Membership members;
    private final Object lock;

    /** The health of these members; the lock is the pool's, and guards the judges, too. */
    PoolHealth(HealthCheck check, Membership members, Object lock) {
        this.check = check;
        this.members = members;
        this.lock = lock;
    }

    HealthCheck check() {
        return check;
    }

    Object lock() {
        return lock;
    }

    int members() {
        return members.snapshot().members().length;
    }

    /** Makes what a member may take visible, and tells of the change if there is one. Called with the lock. */
    void publish(PoolMember member, @Nullable HealthChange change) {
        members.publish(member, change);
    }

    /** Gives a new member its judge, who begins when there is a balancer. */
    void join(PoolMember member) {
        if (check.isOn()) {
            member.health(new MemberHealth(member, this));
        }
    }

    /** {@return whether the pool can do without one more endpoint} Called with the lock. */
    boolean mayEject(PoolMember candidate) {
        int active = 0;
        int ejected = 0;
        for (PoolMember member : members.snapshot().members()) {
            if (member.state() == EndpointState.ACTIVE) {
                active++;
                if (!member.equals(candidate) && isOut(member)) {
                    ejected++;
                }
            }
        }
        return ejected < Math.max(1, (int) (MAX_EJECTED * active));
    }

    private static boolean isOut(PoolMember member) {
        HealthState state = member.healthState();
        return state == HealthState.EJECTED || state == HealthState.HALF_OPEN;
    }

    /**
     * {@return whether a request that failed the same way in two places is at fault itself} Then neither of them counts
     * its failure.
     */
    boolean blame(Blame.Failed one, Blame.Failed other, long nowNanos) {
        MemberHealth first = one.lease().member().health();
        MemberHealth second = other.lease().member().health();
        if (first == null || second == null || !first.isOf(this) || !second.isOf(this)) {
            return false;
        }
        synchronized (lock) {
            boolean both = first.mayForgive(one, nowNanos) && second.mayForgive(other, nowNanos);
            if (both) {
                first.forgive(one);
                second.forgive(other);
            }
            return both;
        }
    }
}
