/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.EnumMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/** What a cache counts. Thread-safe. */
final class Counters {
    final LongAdder hits = new LongAdder();
    final LongAdder misses = new LongAdder();
    final LongAdder stores = new LongAdder();
    final LongAdder expirations = new LongAdder();
    final LongAdder auditFailures = new LongAdder();
    private final Map<Veto, LongAdder> vetoes = new EnumMap<>(Veto.class);
    /** Reasons are constants of this module, so these do not grow. */
    private final ConcurrentHashMap<String, LongAdder> bypasses = new ConcurrentHashMap<>();

    private final ConcurrentHashMap<String, LongAdder> refusals = new ConcurrentHashMap<>();

    Counters() {
        for (Veto veto : Veto.values()) {
            vetoes.put(veto, new LongAdder());
        }
    }

    void veto(Veto veto) {
        LongAdder adder = vetoes.get(veto);
        if (adder != null) {
            adder.increment();
        }
    }

    void bypass(String reason) {
        bypasses.computeIfAbsent(reason, key -> new LongAdder()).increment();
    }

    void refuse(String reason) {
        refusals.computeIfAbsent(reason, key -> new LongAdder()).increment();
    }

    SemanticCacheStatistics statistics(Entries entries, AuditBook audits, @Nullable SharedTier tier) {
        Map<Veto, Long> byVeto = new EnumMap<>(Veto.class);
        vetoes.forEach((veto, count) -> byVeto.put(veto, count.sum()));
        return new SemanticCacheStatistics(
                entries.size(),
                entries.bytes(),
                entries.partitions(),
                hits.sum(),
                misses.sum(),
                byVeto,
                sums(bypasses),
                stores.sum(),
                sums(refusals),
                entries.evictions(),
                expirations.sum(),
                auditFailures.sum(),
                audits.groups(),
                tier == null ? null : tier.statistics());
    }

    private static Map<String, Long> sums(Map<String, LongAdder> adders) {
        Map<String, Long> sums = new TreeMap<>();
        adders.forEach((reason, count) -> sums.put(reason, count.sum()));
        return sums;
    }
}
