/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.health.HealthCheck;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An endpoint whose ten seconds of slow start began at zero, beside one that is in full service. */
@DisplayName("C16: what a slow start lets through")
class SlowStartTest {
    private static final int DRAWS = 20_000;
    private static final int FULL = 0;
    private static final int COLD = 1;

    private final EndpointPool pool = EndpointPool.builder()
            .healthCheck(HealthCheck.passive())
            .add(Endpoint.of("full", new Rooms.Silent()))
            .add(Endpoint.builder("cold", new Rooms.Silent()).weight(2).build())
            .build();

    {
        Rooms.room(Rooms.first(), pool).budget();
    }

    private final PoolMember[] members = pool.snapshot().members();
    private final Random random = new Random(11);

    private double admitted(Duration after, Eligibility full, Eligibility cold) {
        int admitted = 0;
        for (int i = 0; i < DRAWS; i++) {
            PoolMember[] candidates = members.clone();
            int[] ordinals = {FULL, COLD};
            int left = SlowStart.thin(candidates, ordinals, 2, new Eligibility[] {full, cold}, after.toNanos(), random);
            assertThat(candidates[0]).isSameAs(members[FULL]);
            if (left == 2) {
                assertThat(ordinals).containsExactly(FULL, COLD);
                admitted++;
            }
        }
        return (double) admitted / DRAWS;
    }

    private void load(int member, int attempts) {
        for (int i = 0; i < attempts; i++) {
            assertThat(members[member].tryAcquire(false)).isNotNull();
        }
    }

    /** The standard deviation of a share of 20,000 draws is at most 0.0035, and six of them are allowed. */
    @ParameterizedTest
    @CsvSource({"0, 0.1", "500, 0.1", "2000, 0.2", "5000, 0.5", "9000, 0.9", "10000, 1", "60000, 1"})
    void itIsACandidateAsOftenAsItsShareSays(int millis, double share) {
        assertThat(admitted(Duration.ofMillis(millis), Eligibility.OPEN, Eligibility.RAMPING))
                .isEqualTo(share, within(0.021));
    }

    @Test
    void itNeverHasMoreInFlightThanItsShareOfWhatTheOthersHaveForTheirWeight() {
        load(FULL, 10);
        load(COLD, 9);
        assertThat(admitted(Duration.ofSeconds(4), Eligibility.OPEN, Eligibility.RAMPING))
                .as("9 of 10 x 2 x 0.4")
                .isZero();
        assertThat(admitted(Duration.ofSeconds(5), Eligibility.OPEN, Eligibility.RAMPING))
                .as("9 of 10 x 2 x 0.5")
                .isEqualTo(0.5, within(0.021));
    }

    @Test
    void oneRequestItMayAlwaysHave() {
        assertThat(admitted(Duration.ZERO, Eligibility.OPEN, Eligibility.RAMPING))
                .isPositive();
        load(COLD, 1);
        assertThat(admitted(Duration.ZERO, Eligibility.OPEN, Eligibility.RAMPING))
                .isZero();
    }

    @Test
    void nobodyIsHeldBackWhereAllHaveJustComeOrNobodyHas() {
        load(COLD, 50);
        assertThat(admitted(Duration.ZERO, Eligibility.RAMPING, Eligibility.RAMPING))
                .isEqualTo(1);
        assertThat(admitted(Duration.ZERO, Eligibility.OPEN, Eligibility.OPEN)).isEqualTo(1);
    }
}
