/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.time.Ticker;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.slf4j.helpers.NOPLogger;

class WarningsTest {
    private final AtomicLong now = new AtomicLong(-7);
    private final Ticker ticker = now::get;
    private final Warnings warnings = new Warnings(NOPLogger.NOP_LOGGER, ticker);

    @Test
    void aKindIsToldOnceAMinuteHoweverOftenItComes() {
        assertThat(warnings.warn("bad token", "first")).isTrue();
        for (int i = 0; i < 10_000; i++) {
            assertThat(warnings.warn("bad token", "again")).isFalse();
        }
        assertThat(warnings.warn("bad host", "another kind")).isTrue();
        now.addAndGet(Warnings.SILENCE.toNanos() - 1);
        assertThat(warnings.warn("bad token", "still")).isFalse();
        now.addAndGet(1);
        assertThat(warnings.warn("bad token", "after a minute")).isTrue();
    }

    @Test
    void whatWasOverIsToldWhenItComesAgain() {
        assertThat(warnings.warn("file", "broken")).isTrue();
        warnings.over("file");
        assertThat(warnings.warn("file", "broken again")).isTrue();
    }
}
