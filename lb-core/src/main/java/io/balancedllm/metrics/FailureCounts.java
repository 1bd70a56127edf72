/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import io.balancedllm.completion.LlmException;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** How often each reason made something fail. Thread-safe: the map holds all reasons from the start and never changes. */
final class FailureCounts {
    private final Map<LlmException.Reason, AtomicLong> counts = new EnumMap<>(LlmException.Reason.class);

    FailureCounts() {
        for (LlmException.Reason reason : LlmException.Reason.values()) {
            counts.put(reason, new AtomicLong());
        }
    }

    /** Counts a failure; one without a reason is a defect of whoever reports it, and counts as such. */
    void increment(LlmException.@Nullable Reason reason) {
        Objects.requireNonNull(counts.get(reason == null ? LlmException.Reason.INTERNAL_ERROR : reason))
                .incrementAndGet();
    }

    /** {@return the reasons that occurred, in the order of their declaration} */
    Map<LlmException.Reason, Long> snapshot() {
        Map<LlmException.Reason, Long> occurred = new EnumMap<>(LlmException.Reason.class);
        counts.forEach((reason, count) -> {
            long value = count.get();
            if (value > 0) {
                occurred.put(reason, value);
            }
        });
        return Collections.unmodifiableMap(occurred);
    }
}
