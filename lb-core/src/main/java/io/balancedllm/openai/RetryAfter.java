/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How long a server asks to be left alone, from the headers that say so, in this order: {@code retry-after-ms},
 * {@code x-ms-retry-after-ms} (both milliseconds), {@code retry-after} (seconds, or a date, which counts from the
 * response's own {@code date}, so that clocks need not agree). What is malformed or negative is ignored.
 */
final class RetryAfter {
    /** The longest wait believed; longer ones are cut to it. */
    static final Duration LONGEST = Duration.ofDays(1);

    private static final Pattern NUMBER = Pattern.compile("\\d{1,15}(\\.\\d{0,9})?");
    private static final int LONGEST_DATE = 40;

    private RetryAfter() {}

    /** {@return the wait, or null when none is asked for; header names in lower case} */
    static @Nullable Duration of(Map<String, String> headers) {
        Duration wait = number(headers.get("retry-after-ms"), 1);
        if (wait == null) {
            wait = number(headers.get("x-ms-retry-after-ms"), 1);
        }
        String value = headers.get("retry-after");
        if (wait == null) {
            wait = number(value, 1000);
        }
        return wait == null ? date(value, headers.get("date")) : wait;
    }

    private static @Nullable Duration number(@Nullable String value, int unitMillis) {
        if (value == null || !NUMBER.matcher(value.trim()).matches()) {
            return null;
        }
        BigDecimal millis = new BigDecimal(value.trim()).multiply(BigDecimal.valueOf(unitMillis));
        if (millis.compareTo(BigDecimal.valueOf(LONGEST.toMillis())) >= 0) {
            return LONGEST;
        }
        return Duration.ofNanos(millis.movePointRight(6).longValue());
    }

    private static @Nullable Duration date(@Nullable String until, @Nullable String now) {
        if (until == null || now == null || until.length() > LONGEST_DATE || now.length() > LONGEST_DATE) {
            return null;
        }
        try {
            Duration wait = Duration.between(
                    ZonedDateTime.parse(now.trim(), DateTimeFormatter.RFC_1123_DATE_TIME),
                    ZonedDateTime.parse(until.trim(), DateTimeFormatter.RFC_1123_DATE_TIME));
            if (wait.isNegative()) {
                return Duration.ZERO;
            }
            return wait.compareTo(LONGEST) > 0 ? LONGEST : wait;
        } catch (DateTimeException | ArithmeticException e) {
            return null; // not a date: the header is ignored as documented
        }
    }
}
