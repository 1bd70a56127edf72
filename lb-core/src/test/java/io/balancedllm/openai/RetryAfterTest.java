/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("C2: how long to leave a server alone")
class RetryAfterTest {
    private static final String DATE = "Sat, 21 Nov 2026 10:00:00 GMT";

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "retry-after | 7 | PT7S",
                "retry-after | 1.5 | PT1.5S",
                "retry-after | Sat, 21 Nov 2026 10:00:30 GMT | PT30S",
                "retry-after | Sat, 21 Nov 2026 09:00:00 GMT | PT0S",
                "retry-after-ms | 1500.5 | PT1.5005S",
                "x-ms-retry-after-ms | 20 | PT0.02S",
                "retry-after | 999999999999999 | PT24H",
                "x-ratelimit-reset-requests | 12ms | PT0.012S",
                "x-ratelimit-reset-requests | 6m0s | PT6M",
                "x-ratelimit-reset-tokens | 1s | PT1S",
                "x-ratelimit-reset-tokens | 1h2m3.5s | PT1H2M3.5S",
                "x-ratelimit-reset-tokens | 500us | PT0.0005S",
                "x-ratelimit-reset-tokens | 500µs | PT0.0005S",
                "x-ratelimit-reset-tokens | 100ns | PT0.0000001S",
                "x-ratelimit-reset-tokens | 7.66 | PT7.66S",
                "x-ratelimit-reset | 1795255230 | PT30S",
                "x-ratelimit-reset-tokens | 999999999h | PT24H",
                "anthropic-ratelimit-requests-reset | 2026-11-21T10:00:45Z | PT45S",
                "anthropic-ratelimit-input-tokens-reset | 2026-11-21T11:00:45+01:00 | PT45S",
                "anthropic-ratelimit-tokens-reset | 2199-11-21T10:00:45Z | PT24H"
            })
    void everyFormIsUnderstood(String header, String value, Duration wait) {
        assertThat(RetryAfter.ofRefusal(Map.of(header, value, "date", DATE))).isEqualTo(wait);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "-5",
                "soon",
                "1e9",
                "NaN",
                "Infinity",
                "0x10",
                "99999999999999999999",
                "6m0s and more",
                "s",
                "5x",
                "1d",
                "2026-13-41T99:99:99Z",
                "+1000000000-01-01T00:00:00Z",
                "Sat, 21 Nov 99999 10:00:00 GMT",
                "1h1h1h1h1h1h1h1h1h1h",
                "9999999999999h"
            })
    void whatIsMalformedOrNegativeIsIgnored(String value) {
        for (String header : new String[] {
            "retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "anthropic-ratelimit-tokens-reset"
        }) {
            assertThat(RetryAfter.ofRefusal(Map.of(header, value, "date", DATE)))
                    .isNull();
        }
    }

    @Test
    void whoSaysItOutrightIsBelievedBeforeTheLimits() {
        assertThat(RetryAfter.ofRefusal(Map.of("retry-after", "3", "x-ratelimit-reset-tokens", "6m0s")))
                .hasSeconds(3);
    }

    @Test
    void ofTheLimitsThoseCountThatAreUsedUpAndOfThemTheLast() {
        Map<String, String> headers = new HashMap<>(Map.of(
                "x-ratelimit-remaining-requests", "0",
                "x-ratelimit-reset-requests", "2s",
                "x-ratelimit-remaining-tokens", "149984",
                "x-ratelimit-reset-tokens", "6m0s"));
        assertThat(RetryAfter.ofRefusal(headers)).hasSeconds(2);
        headers.put("x-ratelimit-remaining-tokens", "0");
        assertThat(RetryAfter.ofRefusal(headers)).hasMinutes(6);
        headers.put("x-ratelimit-remaining-tokens", "1");
        headers.put("x-ratelimit-remaining-requests", "1");
        assertThat(RetryAfter.ofRefusal(headers)).as("no limit is the reason").isNull();
    }

    @Test
    void limitsSayNothingWhereNothingWasRefusedForThem() {
        assertThat(RetryAfter.of(Map.of("x-ratelimit-reset-tokens", "6m0s"))).isNull();
    }

    @Test
    void aDateNeedsTheServersOwnClock() {
        assertThat(RetryAfter.of(Map.of("retry-after", DATE))).isNull();
        assertThat(RetryAfter.ofRefusal(Map.of("x-ratelimit-reset", "1795255230")))
                .isNull();
        assertThat(RetryAfter.of(Map.of("retry-after", DATE, "date", "yesterday")))
                .isNull();
    }

    @Test
    void noiseNeverThrowsAndNeverWaitsLongerThanADay() {
        Random random = new Random(11);
        String alphabet = "0123456789.-+:TZhmsnu µ,GMT";
        String[] names = {
            "retry-after",
            "retry-after-ms",
            "x-ratelimit-reset-requests",
            "x-ratelimit-reset",
            "anthropic-ratelimit-requests-reset",
            "date"
        };
        for (int i = 0; i < 100_000; i++) {
            Map<String, String> headers = new HashMap<>();
            for (String name : names) {
                StringBuilder value = new StringBuilder();
                for (int length = random.nextInt(14); length > 0; length--) {
                    value.append(alphabet.charAt(random.nextInt(alphabet.length())));
                }
                headers.put(name, random.nextBoolean() ? value.toString() : DATE);
            }
            Duration wait = RetryAfter.ofRefusal(headers);
            if (wait != null) {
                assertThat(wait).isBetween(Duration.ZERO, RetryAfter.LONGEST);
            }
        }
    }
}
