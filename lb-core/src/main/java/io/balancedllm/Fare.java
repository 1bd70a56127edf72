/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import org.jspecify.annotations.Nullable;

/**
 * What a call pays for its attempts beyond the first: one token of the budget at a time, taken, waited for, or given
 * back unused. Touched by messages of the call only.
 */
final class Fare {
    private final RetryBudget budget;
    private final Call call;
    private boolean paid;
    private @Nullable Runnable awaited;

    Fare(RetryBudget budget, Call call) {
        this.budget = budget;
        this.call = call;
    }

    /** Pays at once; false when the budget is empty. */
    boolean pay() {
        paid = paid || budget.tryTake();
        return paid;
    }

    boolean isAwaited() {
        return awaited != null;
    }

    /** Waits for the budget, to run a message when the fare is paid; false when too many wait. */
    boolean await(Runnable then) {
        Runnable[] granted = new Runnable[1];
        granted[0] = () -> call.post(() -> {
            if (granted[0] == awaited) {
                awaited = null;
                paid = true;
                then.run();
            } else {
                budget.giveBack(); // it came too late
            }
        });
        awaited = granted[0];
        if (!budget.await(granted[0])) {
            awaited = null;
            return false;
        }
        return true;
    }

    /** Waits no more. */
    void forget() {
        if (awaited != null) {
            budget.forget(awaited);
            awaited = null;
        }
    }

    /** An attempt has begun. */
    void used() {
        paid = false;
    }

    /** There will be no attempt. */
    void giveBack() {
        if (paid) {
            paid = false;
            budget.giveBack();
        }
    }
}
