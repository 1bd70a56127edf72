/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.Candidates;
import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** The members of the pool at one moment, and what their health lets them take. Immutable; their numbers are live. */
final class PoolSnapshot {
    static final PoolSnapshot EMPTY = new PoolSnapshot(List.of());

    private final PoolMember[] members;
    private final Eligibility[] eligibilities;
    private final Candidates all;
    private final SortedSet<String> models;

    PoolSnapshot(List<PoolMember> members) {
        this.members = members.toArray(new PoolMember[0]);
        this.eligibilities = new Eligibility[this.members.length];
        this.models = new TreeSet<>();
        int[] ordinals = new int[this.members.length];
        for (int i = 0; i < ordinals.length; i++) {
            ordinals[i] = i;
            eligibilities[i] = this.members[i].eligibility();
            models.addAll(this.members[i].served().names());
        }
        this.all = new MemberArray(this.members, ordinals, ordinals.length, ordinals.length);
    }

    private PoolSnapshot(PoolSnapshot before, Eligibility[] eligibilities) {
        this.members = before.members;
        this.all = before.all;
        this.models = before.models;
        this.eligibilities = eligibilities;
    }

    /** {@return this with what a member may take now; one array is copied, everything else is shared} */
    PoolSnapshot with(PoolMember changed) {
        for (int i = 0; i < members.length; i++) {
            if (members[i].equals(changed)) {
                Eligibility[] copy = Arrays.copyOf(eligibilities, eligibilities.length);
                copy[i] = changed.eligibility();
                return new PoolSnapshot(this, copy);
            }
        }
        return this;
    }

    PoolMember[] members() {
        return members;
    }

    /** {@return the models the members list, sorted} */
    SortedSet<String> models() {
        return models;
    }

    @Nullable
    PoolMember member(String id) {
        for (PoolMember member : members) {
            if (member.id().equals(id)) {
                return member;
            }
        }
        return null;
    }

    /**
     * Whom a policy may pick from.
     *
     * @param members who
     * @param lastResort whether they take it only because nobody else is there, past the gate of who is on trial
     */
    record Choice(Candidates members, boolean lastResort) {}

    /** {@return those of the wanted members that may take an attempt now; null when there is none} */
    @Nullable
    Choice choice(Wanted wanted, long nowNanos, RandomGenerator random) {
        PoolMember[] found = new PoolMember[members.length];
        int[] ordinals = new int[members.length];
        int size = 0;
        boolean ramping = false;
        for (int i = 0; i < members.length; i++) {
            PoolMember member = members[i];
            Eligibility eligibility = eligibilities[i];
            if (member.state() == EndpointState.ACTIVE
                    && (eligibility.isEligible() || eligibility == Eligibility.TRIAL)
                    && wanted.test(member)
                    && member.hasRoom()) {
                found[size] = member;
                ordinals[size++] = i;
                ramping |= eligibility == Eligibility.RAMPING;
            }
        }
        if (ramping) {
            size = SlowStart.thin(found, ordinals, size, eligibilities, nowNanos, random);
        }
        if (size > 0) {
            return new Choice(
                    size == members.length ? all : new MemberArray(found, ordinals, size, members.length), false);
        }
        return anyEligible(wanted) ? null : lastResort(wanted);
    }

    private @Nullable Choice lastResort(Wanted wanted) {
        PoolMember[] found = new PoolMember[members.length];
        int[] ordinals = new int[members.length];
        int size = 0;
        for (int i = 0; i < members.length; i++) {
            PoolMember member = members[i];
            if (member.state() == EndpointState.ACTIVE
                    && eligibilities[i].isLastResort()
                    && wanted.test(member)
                    && member.isBelowLimit()) {
                found[size] = member;
                ordinals[size++] = i;
            }
        }
        return size == 0 ? null : new Choice(new MemberArray(found, ordinals, size, members.length), true);
    }

    /** {@return whether one of the wanted members is there, whatever its health and room} */
    boolean anyActive(Wanted wanted) {
        for (PoolMember member : members) {
            if (member.state() == EndpointState.ACTIVE && wanted.test(member)) {
                return true;
            }
        }
        return false;
    }

    /** {@return whether the health of one of the wanted members lets it take attempts, whatever its room} */
    boolean anyEligible(Wanted wanted) {
        return any(wanted, false);
    }

    /** {@return whether one of the wanted members takes attempts, whatever its room, or may be tried with one} */
    boolean anyOpen(Wanted wanted) {
        for (int i = 0; i < members.length; i++) {
            if (members[i].state() == EndpointState.ACTIVE
                    && (eligibilities[i].isEligible()
                            || (eligibilities[i] == Eligibility.TRIAL && members[i].hasRoom()))
                    && wanted.test(members[i])) {
                return true;
            }
        }
        return false;
    }

    /** {@return whether one of the wanted members takes attempts as soon as it has room, if only as a last resort} */
    boolean anyServing(Wanted wanted) {
        return any(wanted, true);
    }

    private boolean any(Wanted wanted, boolean lastResort) {
        for (int i = 0; i < members.length; i++) {
            if (members[i].state() == EndpointState.ACTIVE
                    && (eligibilities[i].isEligible() || (lastResort && eligibilities[i].isLastResort()))
                    && wanted.test(members[i])) {
                return true;
            }
        }
        return false;
    }

    /** {@return the soonest time at which the health of one of the wanted members may change by itself} */
    long soonestChange(Wanted wanted, long nowNanos) {
        long soonest = Long.MAX_VALUE;
        for (PoolMember member : members) {
            if (member.state() == EndpointState.ACTIVE && wanted.test(member)) {
                soonest = Math.min(soonest, Math.max(0, member.nextChangeNanos() - nowNanos));
            }
        }
        return soonest == Long.MAX_VALUE ? nowNanos : nowNanos + soonest;
    }

    boolean anyRoom() {
        return anyServing(PoolMember::isBelowLimit);
    }

    /** A condition on members. */
    @FunctionalInterface
    interface Wanted {
        boolean test(PoolMember member);
    }

    private static final class MemberArray extends AbstractList<EndpointView> implements Candidates {
        private final PoolMember[] members;
        private final int[] ordinals;
        private final int size;
        private final int poolSize;

        MemberArray(PoolMember[] members, int[] ordinals, int size, int poolSize) {
            this.members = members;
            this.ordinals = ordinals;
            this.size = size;
            this.poolSize = poolSize;
        }

        @Override
        public EndpointView get(int index) {
            if (index >= size) {
                throw new IndexOutOfBoundsException(index);
            }
            return members[index];
        }

        @Override
        public int size() {
            return size;
        }

        @Override
        public int ordinal(int index) {
            if (index >= size) {
                throw new IndexOutOfBoundsException(index);
            }
            return ordinals[index];
        }

        @Override
        public int poolSize() {
            return poolSize;
        }
    }
}
