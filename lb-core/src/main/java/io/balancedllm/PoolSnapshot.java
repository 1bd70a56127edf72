/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.Candidates;
import java.util.AbstractList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** The members of the pool at one moment. Immutable; their numbers are live. */
final class PoolSnapshot {
    static final PoolSnapshot EMPTY = new PoolSnapshot(List.of());

    private final PoolMember[] members;
    private final Candidates all;
    private final SortedSet<String> models = new TreeSet<>();

    PoolSnapshot(List<PoolMember> members) {
        this.members = members.toArray(new PoolMember[0]);
        int[] ordinals = new int[this.members.length];
        for (int i = 0; i < ordinals.length; i++) {
            ordinals[i] = i;
            models.addAll(this.members[i].models().keySet());
        }
        this.all = new MemberArray(this.members, ordinals, ordinals.length, ordinals.length);
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

    /** {@return those of the wanted members that may take an attempt now; null when there is none} */
    @Nullable
    Candidates candidates(Wanted wanted) {
        PoolMember[] found = new PoolMember[members.length];
        int[] ordinals = new int[members.length];
        int size = 0;
        for (int i = 0; i < members.length; i++) {
            PoolMember member = members[i];
            if (member.state() == EndpointState.ACTIVE && wanted.test(member) && member.hasRoom()) {
                found[size] = member;
                ordinals[size++] = i;
            }
        }
        if (size == 0) {
            return null;
        }
        return size == members.length ? all : new MemberArray(found, ordinals, size, members.length);
    }

    boolean anyActive(Wanted wanted) {
        for (PoolMember member : members) {
            if (member.state() == EndpointState.ACTIVE && wanted.test(member)) {
                return true;
            }
        }
        return false;
    }

    boolean anyRoom() {
        return anyActive(PoolMember::hasRoom);
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
