/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointState;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class PoolMemberTest {
    private final AtomicInteger releases = new AtomicInteger();
    private final PoolMember member =
            member(Endpoint.builder("a", new Rooms.Silent()).maxConcurrency(2).build());

    private PoolMember member(Endpoint endpoint) {
        return new PoolMember(endpoint, endpoint.backend().traits(), 1, releases::incrementAndGet);
    }

    private static Lease acquired(PoolMember member) {
        Lease lease = member.tryAcquire(false);
        if (lease == null) {
            throw new AssertionError("no lease on " + member);
        }
        return lease;
    }

    @Test
    @DisplayName("A1: a lease is released once, however often it is asked to")
    void aLeaseIsReleasedOnce() {
        Lease lease = acquired(member);
        Lease other = acquired(member);
        assertThat(member.inFlight()).isEqualTo(2);

        lease.release();
        lease.release();

        assertThat(member.inFlight()).isOne();
        assertThat(releases).hasValue(1);
        other.release();
        assertThat(member.inFlight()).isZero();
    }

    @Test
    void aFullMemberGivesNoLeaseUntilOneIsReleasedOrTheLimitRises() {
        Lease lease = acquired(member);
        acquired(member);
        assertThat(member.hasRoom()).isFalse();
        assertThat(member.tryAcquire(false)).isNull();

        lease.release();
        assertThat(member.tryAcquire(false)).isNotNull();
        member.maxConcurrency(3);
        assertThat(member.tryAcquire(false)).isNotNull();
        assertThat(member.inFlight()).isEqualTo(3);
    }

    @Test
    void aMemberThatDrainsOrHasLeftGivesNoLeaseAndCountsNothing() {
        for (EndpointState state : List.of(EndpointState.DRAINING, EndpointState.REMOVED)) {
            member.state(state);
            assertThat(member.tryAcquire(false)).isNull();
            assertThat(member.inFlight()).isZero();
        }
        assertThat(releases).as("who waits for the count to fall is told").hasValue(2);
    }

    @Test
    void itsBackendIsClosedOnceUnlessItIsToStayOpen() {
        assertThat(member.mayCloseBackend()).isTrue();
        assertThat(member.mayCloseBackend()).isFalse();
        assertThat(member(Endpoint.builder("b", new Rooms.Silent())
                                .closeBackend(false)
                                .build())
                        .mayCloseBackend())
                .isFalse();
    }

    @Test
    void manyThreadsNeverTakeMoreThanThereIsNorLeaveAnythingBehind() throws InterruptedException {
        AtomicInteger above = new AtomicInteger();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Thread thread = new Thread(() -> {
                for (int n = 0; n < 50_000; n++) {
                    Lease lease = member.tryAcquire(false);
                    int inFlight = member.inFlight();
                    if (inFlight < 0 || inFlight > 2) {
                        above.incrementAndGet();
                    }
                    if (lease != null) {
                        lease.release();
                    }
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }

        assertThat(above).hasValue(0);
        assertThat(member.inFlight()).isZero();
    }

    @Test
    void modelsAreThoseOfTheEndpointElseThoseOfTheBackend() {
        BackendTraits traits = BackendTraits.builder()
                .model("llama")
                .operations(Operation.CHAT)
                .build();
        PoolMember listed = member(Endpoint.builder("a", new Rooms.Silent(traits))
                .model("chat", "meta-llama/Llama-3.1-8B")
                .build());
        PoolMember known = member(Endpoint.of("b", new Rooms.Silent(traits)));

        assertThat(listed.served().serves("chat")).isTrue();
        assertThat(listed.served().serves("llama")).isFalse();
        assertThat(listed.served().upstream("chat")).isEqualTo("meta-llama/Llama-3.1-8B");
        assertThat(known.served().serves("llama")).isTrue();
        assertThat(known.served().upstream("llama")).isEqualTo("llama");
        assertThat(known.served().serves("chat")).isFalse();
        assertThat(known.served().serves(null)).isTrue();
        assertThat(member.served().serves("anything")).isTrue();
        assertThat(known.served().can(Operation.CHAT)).isTrue();
        assertThat(known.served().can(Operation.EMBEDDINGS)).isFalse();
    }

    @Test
    void aPolicysStateIsOneForAllThreadsAndNewAfterItWasDropped() throws InterruptedException {
        EndpointLocal<AtomicInteger> counters = EndpointLocal.withInitial(endpoint -> new AtomicInteger());
        EndpointLocal<String> names = EndpointLocal.withInitial(endpoint -> "local of " + endpoint.id());
        Queue<AtomicInteger> seen = new ConcurrentLinkedQueue<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Thread thread = new Thread(() -> seen.add(member.local(counters)));
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }

        AtomicInteger one = member.local(counters);
        assertThat(seen).hasSize(4).allMatch(each -> each == one);
        assertThat(member.local(names)).isEqualTo("local of a");
        member.dropLocals();
        assertThat(member.local(counters)).isNotSameAs(one);
    }
}
