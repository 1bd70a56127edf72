/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.health;

import java.time.Duration;
import java.util.Arrays;

/** Counts how requests ended lately, to say when failures are too many. Bounded memory; not thread-safe. */
final class Accrual {
    /** Failures in a row that are too many. */
    static final int CONSECUTIVE_FAILURES = 5;
    /** How far back the share of successes is looked at. */
    static final Duration WINDOW = Duration.ofSeconds(30);
    /** Requests in the window from which on their share tells something. */
    static final int MIN_REQUESTS = 5;
    /** Share of successes below which failures are too many. */
    static final double MIN_SUCCESS_RATE = 0.8;
    /**
     * Failures since the last success that may be blamed on their requests. An endpoint where nothing succeeds any more
     * would otherwise be excused for ever by another one that fails the same way.
     */
    static final int MAX_FORGIVEN = 2;

    private static final int SLOTS = 30;
    private static final long SLOT_NANOS = WINDOW.toNanos() / SLOTS;

    private final int[] successes = new int[SLOTS];
    private final int[] failures = new int[SLOTS];
    private final long[] slotNumbers = new long[SLOTS];
    private int consecutive;
    private int forgiven;

    void succeeded(long now) {
        successes[slot(now)]++;
        consecutive = 0;
        forgiven = 0;
    }

    void failed(long now) {
        failures[slot(now)]++;
        consecutive++;
    }

    /** {@return whether something succeeded lately, and not too many failures were taken back since} */
    boolean mayForgive(long now) {
        return forgiven < MAX_FORGIVEN && count(successes, now) > 0;
    }

    /** Takes back a failure that was counted then. */
    void forgive(long when) {
        forgiven++;
        consecutive = Math.max(0, consecutive - 1);
        int slot = index(when);
        if (slotNumbers[slot] == number(when) && failures[slot] > 0) {
            failures[slot]--;
        }
    }

    void clear() {
        Arrays.fill(successes, 0);
        Arrays.fill(failures, 0);
        consecutive = 0;
        forgiven = 0;
    }

    /** {@return why failures are too many, or an empty text} */
    String tooMany(long now) {
        if (consecutive >= CONSECUTIVE_FAILURES) {
            return consecutive + " requests in a row failed";
        }
        int good = count(successes, now);
        int bad = count(failures, now);
        int all = good + bad;
        return all >= MIN_REQUESTS && good < MIN_SUCCESS_RATE * all
                ? bad + " of " + all + " requests failed within " + WINDOW.toSeconds() + " s"
                : "";
    }

    private int count(int[] counts, long now) {
        long first = number(now) - SLOTS + 1;
        int sum = 0;
        for (int i = 0; i < SLOTS; i++) {
            if (slotNumbers[i] >= first) {
                sum += counts[i];
            }
        }
        return sum;
    }

    private int slot(long now) {
        int slot = index(now);
        if (slotNumbers[slot] != number(now)) {
            slotNumbers[slot] = number(now);
            successes[slot] = 0;
            failures[slot] = 0;
        }
        return slot;
    }

    private static int index(long nanos) {
        return (int) Math.floorMod(number(nanos), (long) SLOTS);
    }

    private static long number(long nanos) {
        return Math.floorDiv(nanos, SLOT_NANOS);
    }
}
