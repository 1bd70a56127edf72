/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import io.balancedllm.cache.semantic.SharedTier;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a tier counts, and what it says once. Thread-safe. */
final class Tallies {
    private static final Logger LOG = LoggerFactory.getLogger(RedisTier.class);

    final LongAdder sent = new LongAdder();
    final LongAdder received = new LongAdder();
    final LongAdder dropped = new LongAdder();
    final LongAdder absent = new LongAdder();
    final LongAdder flushes = new LongAdder();
    final LongAdder connections = new LongAdder();
    private final LongAdder ignored = new LongAdder();
    private final AtomicBoolean saidIgnored = new AtomicBoolean();
    private final AtomicBoolean saidRefused = new AtomicBoolean();
    private volatile SharedTier.State state = SharedTier.State.AWAY;
    private volatile String trouble = "";

    void state(SharedTier.State state) {
        this.state = state;
    }

    void trouble(String trouble) {
        this.trouble = trouble;
    }

    String trouble() {
        return trouble;
    }

    void ignored(StreamId at) {
        ignored.increment();
        if (saidIgnored.compareAndSet(false, true)) {
            LOG.warn(
                    "record {} of the shared log is of another version, damaged, or nobody's: it is ignored, and so are"
                            + " further ones without a word",
                    at);
        }
    }

    void refused(String why) {
        dropped.increment();
        trouble = why;
        if (saidRefused.compareAndSet(false, true)) {
            LOG.warn("the server refused an entry, which is not shared, and neither are further ones: {}", why);
        }
    }

    SharedTier.Statistics statistics(int waiting) {
        return new SharedTier.Statistics(
                state,
                trouble,
                sent.sum(),
                received.sum(),
                dropped.sum(),
                absent.sum(),
                ignored.sum(),
                flushes.sum(),
                connections.sum(),
                waiting);
    }
}
