/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.resilience.RetryPolicy;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The tokens that all attempts beyond the first of their call are paid with. Calls earn them; who finds none may wait,
 * first come first served. Thread-safe; earning costs one atomic update while nobody waits.
 */
final class RetryBudget {
    /** Tokens are counted in millionths, so that parts of one add up exactly. */
    private static final long TOKEN = 1_000_000;

    private static final long LIMIT = RetryPolicy.BUDGET_LIMIT * TOKEN;

    private final long perCall;
    private final int maxWaiting;
    private final AtomicLong saved;
    private final AtomicLong lastEarnedNanos;
    private final Set<Runnable> waiting = new LinkedHashSet<>();
    private volatile boolean anyWaiting;

    RetryBudget(RetryPolicy policy, int maxWaiting, long nowNanos) {
        this.perCall = Math.round(policy.budgetPerCall() * TOKEN);
        this.saved = new AtomicLong(policy.budgetReserve() * TOKEN);
        this.maxWaiting = maxWaiting;
        this.lastEarnedNanos = new AtomicLong(nowNanos);
    }

    /** A call began. */
    void earn(long nowNanos) {
        lastEarnedNanos.lazySet(nowNanos);
        add(perCall);
    }

    /** A token that was taken is not needed. */
    void giveBack() {
        add(TOKEN);
    }

    /** Somebody who waits would know where to go: gives a token when nobody has earned anything for some time. */
    void trickle(long nowNanos) {
        long last = lastEarnedNanos.get();
        if (perCall > 0
                && nowNanos - last >= RetryPolicy.BUDGET_TRICKLE.toNanos()
                && lastEarnedNanos.compareAndSet(last, nowNanos)) {
            add(TOKEN);
        }
    }

    private void add(long amount) {
        long before;
        do {
            before = saved.get();
        } while (before < LIMIT && !saved.compareAndSet(before, Math.min(LIMIT, before + amount)));
        if (anyWaiting) {
            serve();
        }
    }

    /** Takes a token; false when there is none, or others wait for it. */
    boolean tryTake() {
        return !anyWaiting && take();
    }

    private boolean take() {
        long before;
        do {
            before = saved.get();
            if (before < TOKEN) {
                return false;
            }
        } while (!saved.compareAndSet(before, before - TOKEN));
        return true;
    }

    /**
     * Waits for a token: {@code granted}, which must not block, runs once when it has been taken, perhaps before this
     * returns. False when too many wait.
     */
    boolean await(Runnable granted) {
        synchronized (waiting) {
            if (waiting.size() >= maxWaiting) {
                return false;
            }
            waiting.add(granted);
            anyWaiting = true;
        }
        serve();
        return true;
    }

    /** Waits no more; what was granted meanwhile is the waiter's to give back. */
    void forget(Runnable granted) {
        synchronized (waiting) {
            waiting.remove(granted);
            anyWaiting = !waiting.isEmpty();
        }
    }

    private void serve() {
        for (Runnable granted = next(); granted != null; granted = next()) {
            granted.run();
        }
    }

    private @Nullable Runnable next() {
        synchronized (waiting) {
            if (waiting.isEmpty() || !take()) {
                return null;
            }
            Runnable first = waiting.iterator().next();
            waiting.remove(first);
            anyWaiting = !waiting.isEmpty();
            return first;
        }
    }

    @Override
    public String toString() {
        return "RetryBudget{" + saved.get() / (double) TOKEN + "}";
    }
}
