/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

import io.balancedllm.completion.CacheOutcome;
import java.util.concurrent.atomic.LongAdder;

/** Counts outcomes of the cache. */
final class CacheCounts {
    private final LongAdder exact = new LongAdder();
    private final LongAdder semantic = new LongAdder();
    private final LongAdder joined = new LongAdder();
    private final LongAdder misses = new LongAdder();
    private final LongAdder vetoed = new LongAdder();
    private final LongAdder bypassed = new LongAdder();

    void count(CacheOutcome outcome) {
        if (outcome instanceof CacheOutcome.Exact) {
            exact.increment();
        } else if (outcome instanceof CacheOutcome.Semantic) {
            semantic.increment();
        } else if (outcome instanceof CacheOutcome.Joined) {
            joined.increment();
        } else if (outcome instanceof CacheOutcome.Miss) {
            misses.increment();
        } else if (outcome instanceof CacheOutcome.Veto) {
            vetoed.increment();
        } else if (!outcome.equals(CacheOutcome.Bypass.OFF)) {
            bypassed.increment();
        }
    }

    CacheStatistics snapshot() {
        return new CacheStatistics(
                exact.sum(), semantic.sum(), joined.sum(), misses.sum(), vetoed.sum(), bypassed.sum());
    }
}
