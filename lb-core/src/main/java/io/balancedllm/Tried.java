/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The endpoints a call has tried, and when it may come back to each. Immutable: picks read it while messages go on. */
final class Tried {
    static final Tried NOTHING = new Tried(Map.of());

    /** When a member may be asked again: at a time on the ticker, or, without one, never by this call. */
    private record Return(@Nullable Long nanos) {}

    private final Map<PoolMember, Return> members;

    private Tried(Map<PoolMember, Return> members) {
        this.members = members;
    }

    Tried with(PoolMember member, @Nullable Long returnNanos) {
        Map<PoolMember, Return> more = new HashMap<>(members);
        more.put(member, new Return(returnNanos));
        return new Tried(more);
    }

    boolean isEmpty() {
        return members.isEmpty();
    }

    boolean contains(PoolMember member) {
        return members.containsKey(member);
    }

    /** {@return whether the call may ask this member at this time} */
    boolean mayAsk(PoolMember member, long nowNanos) {
        Return back = members.get(member);
        return back == null || (back.nanos != null && back.nanos - nowNanos <= 0);
    }

    /** {@return when the call may ask this member again; null for never} */
    @Nullable
    Long returnNanos(PoolMember member) {
        Return back = members.get(member);
        return back == null ? null : back.nanos;
    }
}
