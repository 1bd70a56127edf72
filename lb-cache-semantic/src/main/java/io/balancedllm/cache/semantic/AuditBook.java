/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import java.util.random.RandomGenerator;

/** What the audits said so far, by group, and what follows from it. Thread-safe. */
final class AuditBook {
    /** Groups with a threshold of their own; hits of further ones are judged together. */
    static final int MAX_GROUPS = 256;
    /** Verdicts before the absence of errors proves too little and the threshold rises without many errors. */
    static final int ENOUGH_VERDICTS = 100;
    /** How much of the way to 1 a threshold rises at a time. */
    static final double STEP = 0.3;
    /** A threshold that would rise above opens the breaker instead. */
    static final double HIGHEST_THRESHOLD = 0.99;
    /** How long an open breaker stops a group's hits. */
    static final Duration BREAKER_PAUSE = Duration.ofMinutes(10);

    /** One-sided 95 %. */
    private static final double Z = 1.6449;

    private static final String REST = "*";

    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, Group> groups = new LinkedHashMap<>();
    private final Audit audit;
    private final double threshold;
    private final Ticker ticker;
    private final RandomGenerator random;
    private final long nanosPerCheck;
    private long nextCheck;

    AuditBook(Audit audit, double threshold, Ticker ticker, RandomGenerator random) {
        this.audit = audit;
        this.threshold = threshold;
        this.ticker = ticker;
        this.random = random;
        this.nanosPerCheck = Duration.ofMinutes(1).toNanos() / audit.maximumPerMinute();
        this.nextCheck = ticker.nanos();
    }

    /** {@return the similarity the hits of a group need} */
    double threshold(String name) {
        lock.lock();
        try {
            Group group = groups.get(known(name));
            return group == null ? threshold : group.threshold;
        } finally {
            lock.unlock();
        }
    }

    /** {@return whether the hits of a group are stopped} */
    boolean stopped(String name) {
        lock.lock();
        try {
            Group group = groups.get(known(name));
            if (group == null || !group.open) {
                return false;
            }
            group.open = group.closesAt - ticker.nanos() > 0;
            return group.open;
        } finally {
            lock.unlock();
        }
    }

    /** {@return whether the next hit is to be checked} */
    boolean wantsCheck() {
        if (audit.share() == 0 || random.nextDouble() >= audit.share()) {
            return false;
        }
        lock.lock();
        try {
            long now = ticker.nanos();
            if (now - nextCheck < 0) {
                return false;
            }
            nextCheck = now + nanosPerCheck;
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Takes down a verdict. */
    void verdict(String name, boolean right) {
        lock.lock();
        try {
            Group group = groups.computeIfAbsent(known(name), key -> new Group(threshold));
            group.verdicts++;
            group.recent++;
            if (!right) {
                group.errors++;
                group.recentErrors++;
            }
            boolean surelyTooMany = lowerBound(group.recentErrors, group.recent) > audit.errorBudget();
            boolean perhapsTooMany = group.recent >= ENOUGH_VERDICTS
                    && upperBound(group.recentErrors, group.recent) > audit.errorBudget();
            if (surelyTooMany || perhapsTooMany) {
                raise(group);
            }
        } finally {
            lock.unlock();
        }
    }

    /** The next threshold; verdicts on the old one say nothing about it. */
    private void raise(Group group) {
        double raised = group.threshold + STEP * (1 - group.threshold);
        if (raised <= HIGHEST_THRESHOLD) {
            group.threshold = raised;
        } else {
            group.open = true;
            group.closesAt = ticker.nanos() + BREAKER_PAUSE.toNanos();
        }
        group.recent = 0;
        group.recentErrors = 0;
    }

    private String known(String name) {
        return groups.containsKey(name) || groups.size() < MAX_GROUPS ? name : REST;
    }

    List<SemanticCacheStatistics.Group> groups() {
        lock.lock();
        try {
            List<SemanticCacheStatistics.Group> all = new ArrayList<>();
            groups.forEach((name, group) -> all.add(new SemanticCacheStatistics.Group(
                    name,
                    group.threshold,
                    group.verdicts,
                    group.errors,
                    upperBound(group.recentErrors, group.recent),
                    group.open && group.closesAt - ticker.nanos() > 0)));
            return all;
        } finally {
            lock.unlock();
        }
    }

    /** The largest share of errors that so many of so many do not speak against, after Wilson (1927). */
    static double upperBound(long errors, long verdicts) {
        return verdicts == 0 ? 1 : wilson(errors, verdicts, Z);
    }

    /** The smallest such share. */
    static double lowerBound(long errors, long verdicts) {
        return verdicts == 0 ? 0 : wilson(errors, verdicts, -Z);
    }

    private static double wilson(long errors, long verdicts, double z) {
        double n = (double) verdicts;
        double p = errors / n;
        double spread = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
        return Math.max(0, Math.min(1, (p + z * z / (2 * n) + spread) / (1 + z * z / n)));
    }

    private static final class Group {
        private double threshold;
        private long verdicts;
        private long errors;
        /** Verdicts since the threshold rose. */
        private long recent;

        private long recentErrors;
        private boolean open;
        private long closesAt;

        Group(double threshold) {
            this.threshold = threshold;
        }
    }
}
