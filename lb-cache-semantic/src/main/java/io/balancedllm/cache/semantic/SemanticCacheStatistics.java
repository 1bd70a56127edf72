/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a cache holds and did since it was made. Immutable.
 *
 * @param entries answers it holds
 * @param bytes about how many bytes they take, the index included
 * @param partitions groups of entries that may answer each other's questions
 * @param hits lookups that found an answer
 * @param misses lookups that found nothing near enough
 * @param vetoes lookups whose every near entry was refused, by the reason of the nearest
 * @param bypasses lookups without an answer for another reason, by reason; the failures and timeouts of the embedder are
 *     among them
 * @param stores answers stored
 * @param refusals answers not stored, by reason
 * @param evictions entries that had to make room
 * @param expirations entries found too old
 * @param auditFailures audits without a verdict
 * @param groups what audits said, by group; groups without one are left out
 * @param sharedOrNull what is shared with other processes; null where nothing is
 */
public record SemanticCacheStatistics(
        int entries,
        long bytes,
        int partitions,
        long hits,
        long misses,
        Map<Veto, Long> vetoes,
        Map<String, Long> bypasses,
        long stores,
        Map<String, Long> refusals,
        long evictions,
        long expirations,
        long auditFailures,
        List<Group> groups,
        SharedTier.@Nullable Statistics sharedOrNull) {
    /** Copies the collections. */
    public SemanticCacheStatistics {
        vetoes = Map.copyOf(vetoes);
        bypasses = Map.copyOf(bypasses);
        refusals = Map.copyOf(refusals);
        groups = List.copyOf(groups);
    }

    /** {@return what is shared with other processes, where something is} */
    public Optional<SharedTier.Statistics> shared() {
        return Optional.ofNullable(sharedOrNull);
    }

    /**
     * What audits said of the hits of one namespace.
     *
     * @param name the namespace; empty for calls without one
     * @param threshold the similarity its hits need by now
     * @param verdicts hits that were checked
     * @param errors those of them that were wrong
     * @param errorBound share of wrong hits that cannot be ruled out, 95 % sure, since the threshold rose last
     * @param stopped whether it gets no hits for now
     */
    public record Group(
            String name, double threshold, long verdicts, long errors, double errorBound, boolean stopped) {}
}
