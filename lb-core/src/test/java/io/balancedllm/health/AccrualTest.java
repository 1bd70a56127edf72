/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.health;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class AccrualTest {
    private static final long SECOND = 1_000_000_000L;

    private final Accrual accrual = new Accrual();

    private void fail(int times, long now) {
        for (int i = 0; i < times; i++) {
            accrual.failed(now);
        }
    }

    private void succeed(int times, long now) {
        for (int i = 0; i < times; i++) {
            accrual.succeeded(now);
        }
    }

    @Test
    @DisplayName("C7: five failures in a row are enough, however slowly they come")
    void fiveInARowAreTooManyWhateverTheirRate() {
        for (int i = 1; i <= 4; i++) {
            accrual.failed(i * (100 * SECOND));
            assertThat(accrual.tooMany(i * (100 * SECOND))).isEmpty();
        }
        accrual.failed(500 * SECOND);

        assertThat(accrual.tooMany(500 * SECOND)).isEqualTo("5 requests in a row failed");
    }

    @Test
    void aSuccessBreaksTheRow() {
        fail(4, 0);
        accrual.succeeded(100 * SECOND);
        fail(4, 200 * SECOND);

        assertThat(accrual.tooMany(200 * SECOND)).isEmpty();
    }

    @Test
    void lessThanFourOfFiveAreTooFewAndExactlyFourAreEnough() {
        succeed(3, 0);
        fail(1, 0);
        assertThat(accrual.tooMany(0)).as("four tell nothing").isEmpty();
        succeed(1, 0);
        assertThat(accrual.tooMany(0)).as("4 of 5").isEmpty();
        fail(1, 0);

        assertThat(accrual.tooMany(0)).isEqualTo("2 of 6 requests failed within 30 s");
    }

    @Test
    void whatIsOlderThanTheWindowIsForgotten() {
        fail(2, 0);
        succeed(3, 0);
        assertThat(accrual.tooMany(29 * SECOND)).isNotEmpty();
        assertThat(accrual.tooMany(30 * SECOND)).isEmpty();
        accrual.succeeded(31 * SECOND);
        assertThat(accrual.tooMany(31 * SECOND)).isEmpty();
    }

    @Test
    void theClockMayBeNegative() {
        fail(2, -100 * SECOND);
        succeed(3, -71 * SECOND);
        assertThat(accrual.tooMany(-71 * SECOND)).isNotEmpty();
        assertThat(accrual.tooMany(-70 * SECOND)).isEmpty();
    }

    @Test
    void aForgivenFailureLeavesNothing() {
        succeed(3, 0);
        fail(2, SECOND);
        assertThat(accrual.tooMany(SECOND)).isNotEmpty();

        assertThat(accrual.mayForgive(2 * SECOND)).isTrue();
        accrual.forgive(SECOND);

        assertThat(accrual.tooMany(2 * SECOND)).isEmpty();
    }

    @Test
    @DisplayName("C19: an endpoint where nothing succeeds is not excused for ever")
    void onlyTwoFailuresAreForgivenUntilSomethingSucceeds() {
        assertThat(accrual.mayForgive(0)).as("nothing ever succeeded").isFalse();
        succeed(1, 0);
        for (int i = 0; i < Accrual.MAX_FORGIVEN; i++) {
            fail(1, 0);
            assertThat(accrual.mayForgive(0)).isTrue();
            accrual.forgive(0);
        }
        fail(1, 0);
        assertThat(accrual.mayForgive(0)).isFalse();
        succeed(1, 0);
        assertThat(accrual.mayForgive(0)).isTrue();
        assertThat(accrual.mayForgive(31 * SECOND)).as("long ago").isFalse();
    }

    @Test
    void itAgreesWithAListOfAllThatHappened() {
        Random random = new Random(7);
        long[] times = new long[2_000];
        boolean[] good = new boolean[times.length];
        long now = -500 * SECOND;
        for (int i = 0; i < times.length; i++) {
            now += random.nextInt(4) * SECOND;
            times[i] = now;
            good[i] = random.nextInt(10) < 8;
            if (good[i]) {
                accrual.succeeded(now);
            } else {
                accrual.failed(now);
            }
            assertThat(accrual.tooMany(now).isEmpty()).isEqualTo(!expectTooMany(times, good, i));
        }
    }

    private static boolean expectTooMany(long[] times, boolean[] good, int last) {
        int all = 0;
        int succeeded = 0;
        for (int i = last; i >= 0 && times[last] - times[i] < 30 * SECOND; i--) {
            all++;
            succeeded += good[i] ? 1 : 0;
        }
        int row = 0;
        while (row <= last && !good[last - row]) {
            row++;
        }
        return row >= 5 || (all >= 5 && succeeded < 0.8 * all);
    }
}
