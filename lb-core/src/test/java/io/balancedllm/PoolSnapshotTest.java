/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class PoolSnapshotTest {
    private final Random random = new Random(5);

    private static PoolMember member(String id, Eligibility eligibility) {
        PoolMember member = new PoolMember(
                Endpoint.builder(id, new Rooms.Silent()).maxConcurrency(2).build(), BackendTraits.UNKNOWN, 1, () -> {});
        member.eligibility(eligibility);
        return member;
    }

    private static List<PoolMember> members(Eligibility... eligibilities) {
        List<PoolMember> members = new ArrayList<>();
        for (Eligibility eligibility : eligibilities) {
            members.add(member("e" + members.size(), eligibility));
        }
        return members;
    }

    private List<String> choice(List<PoolMember> members) {
        PoolSnapshot.Choice choice = new PoolSnapshot(members).choice(member -> true, 0, random);
        return choice == null
                ? List.of()
                : choice.members().stream().map(EndpointView::id).toList();
    }

    private static void fill(PoolMember member) {
        while (member.tryAcquire(true) != null) {
            assertThat(member.inFlight()).isPositive();
        }
    }

    @Test
    @DisplayName("C8: nobody out of service is a candidate while somebody is in, be it that those are full")
    void whoIsOutIsNoCandidateWhileAnybodyIsIn() {
        List<PoolMember> members = members(
                Eligibility.OUT, Eligibility.LAST_RESORT, Eligibility.OPEN, Eligibility.GATED, Eligibility.TRIAL);
        assertThat(choice(members)).containsExactly("e2", "e3", "e4");
        fill(members.get(2));
        assertThat(members.get(3).tryAcquire(false)).isNotNull();
        assertThat(members.get(4).tryAcquire(false)).isNotNull();

        assertThat(choice(members)).as("those in service have no room: wait").isEmpty();
        assertThat(new PoolSnapshot(members).anyServing(member -> true)).isTrue();
    }

    @Test
    void aLastResortIsTakenWhenNobodyElseIsThereAndNobodyElseAtAllIsNot() {
        List<PoolMember> members = members(Eligibility.OUT, Eligibility.LAST_RESORT, Eligibility.TRIAL);
        assertThat(choice(members)).as("the one on trial first").containsExactly("e2");
        assertThat(members.get(2).tryAcquire(false)).isNotNull();
        assertThat(choice(members)).containsExactly("e1", "e2");
        assertThat(members.get(2).tryAcquire(false)).as("the gate").isNull();
        assertThat(members.get(2).tryAcquire(true)).as("past the gate").isNotNull();

        assertThat(choice(members(Eligibility.OUT, Eligibility.OUT))).isEmpty();
    }

    @Test
    @DisplayName("C9: the gate of a trial lets one in, opens when it ends, and counts nothing it turns away")
    void theGateLetsOneIn() {
        PoolMember member = member("a", Eligibility.TRIAL);
        Lease lease = member.tryAcquire(false);
        assertThat(lease).isNotNull();
        assertThat(member.hasRoom()).isFalse();
        assertThat(member.tryAcquire(false)).isNull();
        assertThat(member.inFlight()).isOne();
        if (lease != null) {
            assertThat(member.isTrial(lease)).isTrue();
            lease.release();
            lease.release();
        }
        assertThat(member.hasRoom()).isTrue();
        assertThat(member.inFlight()).isZero();
        assertThat(member.tryAcquire(false)).isNotNull();
    }

    @Test
    @DisplayName(
            "A change of one's health among 1,000 copies one array, asks nobody, and leaves earlier snapshots alone")
    void aChangeOfHealthIsOneCopy() {
        Eligibility[] open = new Eligibility[1_000];
        Arrays.fill(open, Eligibility.OPEN);
        List<PoolMember> members = members(open);
        PoolSnapshot before = new PoolSnapshot(members);
        members.get(500).eligibility(Eligibility.OUT);

        PoolSnapshot after = before.with(members.get(500));

        assertThat(after.members()).isSameAs(before.members());
        assertThat(after.models()).isSameAs(before.models());
        AtomicInteger asked = new AtomicInteger();
        PoolSnapshot.Wanted counting = member -> {
            asked.incrementAndGet();
            return true;
        };
        PoolSnapshot.Choice old = before.choice(counting, 0, random);
        assertThat(old == null ? 0 : old.members().size()).isEqualTo(1_000);
        PoolSnapshot.Choice now = after.choice(counting, 0, random);
        assertThat(now == null ? 0 : now.members().size()).isEqualTo(999);
        assertThat(asked).as("a pick looks at each member once").hasValue(1_999);
    }

    @Test
    @DisplayName("C16: a slow start holds back only while others are there")
    void aSlowStartNeverMakesACallWait() {
        assertThat(choice(members(Eligibility.RAMPING, Eligibility.RAMPING))).hasSize(2);
        List<PoolMember> members = members(Eligibility.OPEN, Eligibility.RAMPING);
        fill(members.get(0));
        assertThat(choice(members)).containsExactly("e1");
    }
}
