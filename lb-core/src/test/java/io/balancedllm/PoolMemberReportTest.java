/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EngineReport;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class PoolMemberReportTest {
    private static final Duration LIFETIME = PoolMember.REPORT_LIFETIME;

    private final AtomicLong clock = new AtomicLong(Long.MAX_VALUE - 1_000_000); // overflows on the way
    private final PoolMember member = member();

    private PoolMember member() {
        Endpoint endpoint = Endpoint.of("a", new Rooms.Silent());
        PoolMember made = new PoolMember(endpoint, endpoint.backend().traits(), 1, () -> {});
        made.ticker(clock::get);
        return made;
    }

    private Lease lease() {
        Lease lease = member.tryAcquire(false);
        if (lease == null) {
            throw new AssertionError("no lease");
        }
        return lease;
    }

    private EngineReport asked(int running, int waiting) {
        return EngineReport.builder(clock.get())
                .running(running)
                .waiting(waiting)
                .build();
    }

    @Test
    @DisplayName("D2: a number read from an engine is that number, its time, and what was sent since")
    void aReportIsCorrectedByWhatWasSentAndEndedSince() {
        Lease before = lease();
        member.report(asked(10, 5), member.inFlight(), LIFETIME);
        assertThat(member.engineRequests()).hasValue(15);

        lease();
        lease();
        assertThat(member.inFlightSinceReport()).isEqualTo(2);
        assertThat(member.engineRequests()).as("two more of our own").hasValue(17);

        before.release();
        assertThat(member.engineRequests()).as("one of the fifteen has ended").hasValue(16);
    }

    @Test
    @DisplayName("D2: a report that has grown old is no report")
    void aReportExpires() {
        member.report(asked(3, 0), 0, LIFETIME);
        clock.addAndGet(LIFETIME.toNanos());
        assertThat(member.report()).isPresent();
        clock.addAndGet(1);
        assertThat(member.report()).isEmpty();
        assertThat(member.engineRequests()).isEmpty();
        assertThat(member.inFlightSinceReport()).isZero();
    }

    @Test
    @DisplayName("D2: absent is never zero")
    void withoutBothCountsTheLoadIsUnknown() {
        assertThat(member.engineRequests()).isEmpty();
        member.report(EngineReport.builder(clock.get()).waiting(0).build(), 0, LIFETIME);
        assertThat(member.report().orElseThrow().waiting()).hasValue(0);
        assertThat(member.engineRequests()).isEmpty();
    }

    @Test
    void theLoadIsNeverBelowWhatIsInFlightHere() {
        lease();
        lease();
        member.report(asked(0, 0), 2, LIFETIME);
        assertThat(member.engineRequests())
                .as("the engine has not seen them yet")
                .hasValue(2);
    }

    @Test
    void aReportThatComesByItselfIsOfNow() {
        lease();
        member.report(EngineReport.builder().running(4).waiting(1).build());
        assertThat(member.report().orElseThrow().nanos()).isEqualTo(clock.get());
        assertThat(member.engineRequests()).hasValue(5);
    }

    @Test
    void whatCountsLessDoesNotDisplaceAFreshReportAndAnOlderOneNeverDoes() {
        EngineReport older = asked(9, 9);
        clock.addAndGet(1_000);
        member.report(asked(4, 1), 0, LIFETIME);
        member.report(EngineReport.builder().waiting(0).build());
        assertThat(member.engineRequests()).hasValue(5);
        member.report(older, 0, LIFETIME);
        assertThat(member.engineRequests()).hasValue(5);

        clock.addAndGet(LIFETIME.toNanos() + 1);
        member.report(EngineReport.builder().waiting(2).build());
        assertThat(member.report().orElseThrow().waiting()).hasValue(2);
        assertThat(member.engineRequests()).isEmpty();
    }

    @Test
    void sizesAreKeptWhereALaterReportLeavesThemOut() {
        member.report(
                EngineReport.builder(clock.get())
                        .running(1)
                        .waiting(0)
                        .kvBlocks(100)
                        .blockTokens(16)
                        .maxSequences(8)
                        .build(),
                0,
                LIFETIME);
        clock.addAndGet(1);
        member.report(asked(2, 0), 0, LIFETIME);
        EngineReport report = member.report().orElseThrow();
        assertThat(report.kvCapacityTokens()).hasValue(1_600);
        assertThat(report.maxSequences()).hasValue(8);
        assertThat(report.kvUsage()).as("load is not kept").isEmpty();
        assertThat(report.running()).hasValue(2);
    }
}
