/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.balancedllm.testkit.FakeTicker;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

class AuditBookTest {
    private final FakeTicker ticker = new FakeTicker(Long.MAX_VALUE - 5);

    private AuditBook book(double share) {
        return new AuditBook(
                Audit.builder()
                        .share(share)
                        .maximumPerMinute(6)
                        .errorBudget(0.05)
                        .build(),
                0.9,
                ticker,
                new Random(1));
    }

    @Test
    void theBoundsAreThoseOfWilson() {
        assertThat(AuditBook.upperBound(0, 50)).isCloseTo(0.0513, within(1e-3));
        assertThat(AuditBook.upperBound(5, 100)).isCloseTo(0.0984, within(1e-3));
        assertThat(AuditBook.lowerBound(5, 100)).isCloseTo(0.0247, within(1e-3));
        assertThat(AuditBook.upperBound(0, 0)).isEqualTo(1);
        assertThat(AuditBook.lowerBound(0, 0)).isZero();
    }

    @Test
    void checksAreDrawnByShareAndHeldBackByTheMinute() {
        AuditBook book = book(1);
        int checks = 0;
        for (int second = 0; second < 600; second++) {
            checks += book.wantsCheck() ? 1 : 0;
            checks += book.wantsCheck() ? 1 : 0;
            ticker.advance(Duration.ofSeconds(1));
        }
        assertThat(checks).isEqualTo(60);
        assertThat(book(0).wantsCheck()).isFalse();
    }

    @Test
    void aGroupThatIsRightKeepsItsThreshold() {
        AuditBook book = book(1);
        for (int i = 0; i < 1_000; i++) {
            book.verdict("good", true);
        }

        assertThat(book.threshold("good")).isEqualTo(0.9);
        assertThat(book.stopped("good")).isFalse();
    }

    @Test
    void errorsRaiseTheThresholdOfTheirGroupAndThenStopItForAWhile() {
        AuditBook book = book(1);
        for (int i = 0; i < 3; i++) {
            book.verdict("bad", false);
        }
        assertThat(book.threshold("bad")).isGreaterThan(0.9);
        assertThat(book.threshold("other")).isEqualTo(0.9);

        for (int i = 0; i < 30 && !book.stopped("bad"); i++) {
            book.verdict("bad", false);
        }
        assertThat(book.stopped("bad")).isTrue();
        assertThat(book.stopped("other")).isFalse();
        assertThat(book.threshold("bad")).isLessThanOrEqualTo(AuditBook.HIGHEST_THRESHOLD);
        ticker.advance(AuditBook.BREAKER_PAUSE);
        assertThat(book.stopped("bad")).isFalse();
    }

    @Test
    void groupsWithoutEndShareOneThreshold() {
        AuditBook book = book(1);
        for (int i = 0; i < 10 * AuditBook.MAX_GROUPS; i++) {
            book.verdict("g" + i, true);
        }

        assertThat(book.groups()).hasSizeLessThanOrEqualTo(AuditBook.MAX_GROUPS + 1);
    }
}
