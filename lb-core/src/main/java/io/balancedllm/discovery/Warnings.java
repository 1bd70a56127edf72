/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.slf4j.Logger;

/** Warnings that do not repeat themselves: each kind at most once a minute. Bounded. Thread-safe. */
final class Warnings {
    /** How long a kind of warning is silent after it was told. */
    static final Duration SILENCE = Duration.ofMinutes(1);
    /** Kinds remembered; the oldest is forgotten first. */
    private static final int MAX_KINDS = 64;

    private final Logger log;
    private final Ticker ticker;
    private final Map<String, Long> told = new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Long> eldest) {
            return size() > MAX_KINDS;
        }
    };

    Warnings(Logger log, Ticker ticker) {
        this.log = log;
        this.ticker = ticker;
    }

    /**
     * Warns, unless the kind was told a short while ago.
     *
     * @param kind what makes two warnings the same; never made of what a stranger sent
     * @return whether it was told
     */
    boolean warn(String kind, String message) {
        long now = ticker.nanos();
        synchronized (told) {
            Long last = told.get(kind);
            if (last != null && now - last < SILENCE.toNanos()) {
                return false;
            }
            told.put(kind, now);
        }
        log.warn("{}", message);
        return true;
    }

    /** Forgets a kind: it is over, and worth telling when it comes again. */
    void over(String kind) {
        synchronized (told) {
            told.remove(kind);
        }
    }
}
