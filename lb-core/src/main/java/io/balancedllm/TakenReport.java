/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.time.Ticker;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A report of an engine with what is needed to correct it and to let it expire. Immutable.
 *
 * @param found the report
 * @param inFlight attempts of this balancer in flight when it was asked for
 * @param lifetimeNanos how long it is believed
 * @param ticker the clock by which it grows old
 */
record TakenReport(Optional<EngineReport> found, int inFlight, long lifetimeNanos, Ticker ticker) {
    /**
     * {@return what to believe after another report} One that counts no requests (ORCA tells only those that wait) does
     * not displace a fresh one that does. Sizes do not grow old: they are taken over where the new one leaves them out.
     */
    static TakenReport after(
            @Nullable TakenReport before, EngineReport told, int inFlightThen, long lifetimeNanos, Ticker ticker) {
        EngineReport old = before == null ? null : before.found.orElse(null);
        if (before == null || old == null) {
            return new TakenReport(Optional.of(told), inFlightThen, lifetimeNanos, ticker);
        }
        if (told.nanos() - old.nanos() < 0
                || (told.requests().isEmpty() && old.requests().isPresent() && !before.hasExpired())) {
            return before;
        }
        EngineReport.Builder merged = told.newBuilder();
        if (told.kvBlocks().isEmpty()) {
            old.kvBlocks().ifPresent(merged::kvBlocks);
        }
        if (told.blockTokens().isEmpty()) {
            old.blockTokens().ifPresent(merged::blockTokens);
        }
        if (told.kvCapacityTokens().isEmpty()) {
            old.kvCapacityTokens().ifPresent(merged::kvCapacityTokens);
        }
        if (told.maxSequences().isEmpty()) {
            old.maxSequences().ifPresent(merged::maxSequences);
        }
        return new TakenReport(Optional.of(merged.build()), inFlightThen, lifetimeNanos, ticker);
    }

    boolean hasExpired() {
        return found.isEmpty() || ticker.nanos() - found.get().nanos() > lifetimeNanos;
    }
}
