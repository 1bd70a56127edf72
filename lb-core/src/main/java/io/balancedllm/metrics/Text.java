/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import io.balancedllm.completion.LlmException;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** How numbers read in the text form of the statistics. */
final class Text {
    private static final double NANOS_PER_MILLI = 1e6;

    private Text() {}

    static String millis(Duration duration) {
        double millis = duration.toNanos() / NANOS_PER_MILLI;
        return String.format(Locale.ROOT, millis < 10 ? "%.2f ms" : "%.0f ms", millis);
    }

    static String failures(Map<LlmException.Reason, Long> failures) {
        return failures.entrySet().stream()
                .map(entry -> entry.getKey() + " " + entry.getValue())
                .collect(Collectors.joining(", ", failures.isEmpty() ? "" : " (", failures.isEmpty() ? "" : ")"));
    }
}
