/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CacheOptions;
import io.balancedllm.cache.CacheRules;
import io.balancedllm.cache.CompletionCache;
import io.balancedllm.cache.ExactCache;
import io.balancedllm.cache.SingleFlight;
import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import java.util.Collection;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What stands before the routing of a balancer with a cache: equal requests stored, then in flight, then alike ones. */
final class CacheStage {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final EngineRoom room;
    private final CacheOptions options;
    private final ExactCache exact;
    private final SingleFlight flights;
    private final @Nullable CompletionCache semantic;
    private final Audits audits;
    /** How often everything was forgotten: what was asked for before is not stored after. */
    private final AtomicLong epoch = new AtomicLong();

    CacheStage(EngineRoom room, CacheOptions options) {
        this.room = room;
        this.options = options;
        this.exact = new ExactCache(options.maximumBytes(), options.timeToLive(), room.ticker());
        this.flights = new SingleFlight(Math.min(SingleFlight.DEFAULT_MAXIMUM_REPLAY_BYTES, options.maximumBytes()));
        this.semantic = options.semantic().orElse(null);
        this.audits = new Audits(room);
        if (semantic != null) {
            semantic.onForgotten(new CompletionCache.Forgetting() {
                @Override
                public void entries(Collection<String> exactKeys) {
                    exact.remove(exactKeys);
                }

                @Override
                public void all() {
                    forgetAll();
                }
            });
        }
    }

    /** {@return a call that reuses an answer if it may and if there is one} */
    Ongoing call(Work.OfCompletion work, CallOptions call, Output output, boolean streaming) {
        CallRecord record = new CallRecord(room);
        Optional<String> bypass = CacheRules.bypass(work.request(), call.cache(), options.maximumTemperature());
        if (bypass.isPresent()) {
            record.cache(new CacheOutcome.Bypass(bypass.get()));
            return new Call(room, work, call, output, streaming, record);
        }
        CacheKey key = CacheKey.of(work.request(), call, options.scope());
        return new SharedCall(room, this, new SharedCall.Terms(work, call, key, streaming), output, record);
    }

    /** {@return the answer stored to an equal request} */
    Optional<ExactCache.Found> find(SharedCall.Terms terms) {
        return terms.mode() == CacheControl.Mode.USE ? exact.find(terms.key()) : Optional.empty();
    }

    /** Takes a place in the generation for a call: one that is under way, or one that it leads. */
    SingleFlight.Seat board(SharedCall call, SharedCall.Terms terms, int demand, long deadlineNanos) {
        return options.singleFlight() && terms.mode() == CacheControl.Mode.USE
                ? flights.join(terms.key(), call, demand, deadlineNanos)
                : flights.alone(call, demand, deadlineNanos);
    }

    SingleFlight.Seat boardAlone(SharedCall call, int demand, long deadlineNanos) {
        return flights.alone(call, demand, deadlineNanos);
    }

    /** {@return the cache to be asked by meaning, null when there is none or the call wants none} */
    @Nullable
    CompletionCache semantic(SharedCall.Terms terms) {
        return terms.mode() == CacheControl.Mode.USE ? semantic : null;
    }

    long epoch() {
        return epoch.get();
    }

    Audits audits() {
        return audits;
    }

    /** Keeps an answer for equal requests, unless everything was forgotten since it was asked for. */
    void storeExact(CacheKey key, Completion answer, long askedIn) {
        if (askedIn == epoch.get()) {
            exact.store(key, answer);
        }
    }

    /** Keeps an answer for alike requests; user code. */
    void storeSemantic(CacheKey key, CacheLookup.Miss miss, Completion answer, long askedIn) {
        if (semantic != null && askedIn == epoch.get()) {
            try {
                semantic.store(key, miss, answer);
            } catch (RuntimeException e) {
                LOG.warn("the cache {} failed to store an answer", semantic, e);
            }
        }
    }

    private void forgetAll() {
        epoch.incrementAndGet();
        exact.clear();
    }

    void invalidateAll() {
        forgetAll();
        if (semantic != null) {
            semantic.invalidateAll();
        }
    }

    void close() {
        if (semantic != null) {
            semantic.close();
        }
    }
}
