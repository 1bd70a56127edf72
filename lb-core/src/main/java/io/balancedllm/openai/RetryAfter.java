/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How long a server asks to be left alone, from the headers that say so, in this order: {@code retry-after-ms},
 * {@code x-ms-retry-after-ms} (both milliseconds), {@code retry-after} (seconds, or a date), and for want of those the
 * limits that are used up of {@code x-ratelimit-*} and {@code anthropic-ratelimit-*}, the last of them to be reset (a Go
 * duration such as {@code 6m0s}, seconds, seconds since 1970, or a date). Dates count from the response's own
 * {@code date}, so that clocks need not agree. What is malformed or negative is ignored.
 */
final class RetryAfter {
    /** The longest wait believed; longer ones are cut to it. */
    static final Duration LONGEST = Duration.ofDays(1);

    private static final Pattern NUMBER = Pattern.compile("\\d{1,15}(\\.\\d{0,9})?");
    private static final Pattern GO_DURATION =
            Pattern.compile("(?:\\d{1,9}(?:\\.\\d{0,9})?(?:ns|us|\u00b5s|\u03bcs|ms|h|m|s)){1,6}");
    private static final Pattern GO_PART = Pattern.compile("(\\d+(?:\\.\\d*)?)(ns|us|\u00b5s|\u03bcs|ms|h|m|s)");
    private static final int LONGEST_VALUE = 64;
    private static final int MILLIS = 6;
    private static final int SECONDS = 9;
    /** Numbers from here on are seconds since 1970: as a wait they would be decades. */
    private static final BigDecimal FIRST_EPOCH_SECOND = BigDecimal.valueOf(1_000_000_000);

    private static final BigDecimal LAST_EPOCH_SECOND = BigDecimal.valueOf(Instant.MAX.getEpochSecond());
    private static final BigDecimal LONGEST_NANOS = BigDecimal.valueOf(LONGEST.toNanos());
    private static final List<String> LIMITS = List.of("requests", "tokens", "input-tokens", "output-tokens");

    private RetryAfter() {}

    /** {@return the wait, or null when none is asked for; header names in lower case} */
    static @Nullable Duration of(Map<String, String> headers) {
        Duration wait = number(headers.get("retry-after-ms"), MILLIS);
        if (wait == null) {
            wait = number(headers.get("x-ms-retry-after-ms"), MILLIS);
        }
        String value = headers.get("retry-after");
        if (wait == null) {
            wait = number(value, SECONDS);
        }
        return wait == null && value != null ? otherThanNumber(value, headers.get("date")) : wait;
    }

    /** {@return the wait, or null when none is asked for, of a server that refuses because of its limits} */
    static @Nullable Duration ofRefusal(Map<String, String> headers) {
        Duration wait = of(headers);
        return wait == null ? limits(headers) : wait;
    }

    /** {@return when the last of the limits is reset that are used up, or do not say how much is left} */
    private static @Nullable Duration limits(Map<String, String> headers) {
        Duration wait = limit(headers, "x-ratelimit-reset", "x-ratelimit-remaining");
        for (String name : LIMITS) {
            wait = later(wait, limit(headers, "x-ratelimit-reset-" + name, "x-ratelimit-remaining-" + name));
            String prefix = "anthropic-ratelimit-" + name;
            wait = later(wait, limit(headers, prefix + "-reset", prefix + "-remaining"));
        }
        return wait;
    }

    private static @Nullable Duration limit(Map<String, String> headers, String reset, String left) {
        String value = headers.get(reset);
        if (value == null || !headers.getOrDefault(left, "0").strip().equals("0")) {
            return null;
        }
        String now = headers.get("date");
        Duration wait = number(value, SECONDS);
        if (wait == null) {
            return otherThanNumber(value, now);
        }
        BigDecimal seconds = new BigDecimal(value.strip());
        return seconds.compareTo(FIRST_EPOCH_SECOND) < 0
                ? wait
                : until(Instant.ofEpochSecond(seconds.min(LAST_EPOCH_SECOND).longValue()), now);
    }

    private static @Nullable Duration later(@Nullable Duration one, @Nullable Duration other) {
        return one == null || (other != null && other.compareTo(one) > 0) ? other : one;
    }

    /** {@return the wait that a Go duration or a date means} */
    private static @Nullable Duration otherThanNumber(String value, @Nullable String now) {
        if (value.length() > LONGEST_VALUE) {
            return null;
        }
        Duration wait = goDuration(value.strip());
        return wait == null ? date(value.strip(), now) : wait;
    }

    /** {@return so many units of ten to this power of nanoseconds} */
    private static @Nullable Duration number(@Nullable String value, int power) {
        if (value == null
                || value.length() > LONGEST_VALUE
                || !NUMBER.matcher(value.strip()).matches()) {
            return null;
        }
        return bounded(new BigDecimal(value.strip()).movePointRight(power));
    }

    private static Duration bounded(BigDecimal nanos) {
        return nanos.compareTo(LONGEST_NANOS) >= 0 ? LONGEST : Duration.ofNanos(nanos.longValue());
    }

    private static @Nullable Duration goDuration(String value) {
        if (!GO_DURATION.matcher(value).matches()) {
            return null;
        }
        BigDecimal nanos = BigDecimal.ZERO;
        Matcher part = GO_PART.matcher(value);
        while (part.find()) {
            nanos = nanos.add(new BigDecimal(part.group(1)).multiply(unit(part.group(2))));
        }
        return bounded(nanos);
    }

    private static BigDecimal unit(String name) {
        return BigDecimal.valueOf(
                switch (name) {
                    case "ns" -> 1;
                    case "ms" -> Duration.ofMillis(1).toNanos();
                    case "s" -> Duration.ofSeconds(1).toNanos();
                    case "m" -> Duration.ofMinutes(1).toNanos();
                    case "h" -> Duration.ofHours(1).toNanos();
                    default -> 1_000; // microseconds, however the mu is written
                });
    }

    private static @Nullable Duration date(String value, @Nullable String now) {
        try {
            ZonedDateTime date = value.indexOf('T') == "yyyy-MM-dd".length()
                    ? ZonedDateTime.parse(value, DateTimeFormatter.ISO_OFFSET_DATE_TIME)
                    : ZonedDateTime.parse(value, DateTimeFormatter.RFC_1123_DATE_TIME);
            return until(date.toInstant(), now);
        } catch (DateTimeException e) {
            return null; // not a date: the header is ignored as documented
        }
    }

    private static @Nullable Duration until(Instant moment, @Nullable String now) {
        if (now == null || now.length() > LONGEST_VALUE) {
            return null;
        }
        try {
            Duration wait = Duration.between(
                    ZonedDateTime.parse(now.strip(), DateTimeFormatter.RFC_1123_DATE_TIME)
                            .toInstant(),
                    moment);
            if (wait.isNegative()) {
                return Duration.ZERO;
            }
            return wait.compareTo(LONGEST) > 0 ? LONGEST : wait;
        } catch (DateTimeException | ArithmeticException e) {
            return null; // as above
        }
    }
}
