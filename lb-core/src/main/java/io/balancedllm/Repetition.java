/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.time.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * What lies between a failed attempt and the next one: whether there is to be one, the wait for the budget, and the pause
 * before an endpoint is asked again. Touched by messages of the call only.
 */
final class Repetition {
    private final EngineRoom room;
    private final Call call;
    private final Patience patience;
    private final Output output;
    private final Retries retries;
    private final Fare fare;
    private final Hedges hedges;
    private final CallRecord record;
    private Scheduler.@Nullable Timer timer;

    Repetition(
            EngineRoom room,
            Call call,
            Patience patience,
            Output output,
            Retries retries,
            Fare fare,
            Hedges hedges,
            CallRecord record) {
        this.room = room;
        this.call = call;
        this.patience = patience;
        this.output = output;
        this.retries = retries;
        this.fare = fare;
        this.hedges = hedges;
        this.record = record;
    }

    /** {@return whether the call's options and the retry policy leave it another attempt} */
    boolean isAllowed() {
        return call.options().retryable()
                && record.attemptsMade() < room.resilience().retry().maxAttempts();
    }

    /** Begins the way from the last attempt, which failed, to another one. False when there is none: the call ends. */
    boolean begin(LlmException failure) {
        if (!failure.retryable() || !isAllowed()) {
            return false;
        }
        Router.Outlook outlook = room.router().outlook(call, room.nanos());
        if (outlook == Router.Outlook.NOBODY || !output.discard()) {
            return false;
        }
        record.discarded();
        if (hedges.pickUnderWay()) {
            call.picking(); // what that pick finds is the repetition
            return true;
        }
        return pay(outlook, failure);
    }

    /** Pays for the attempt, now or later. False when too many wait for the budget. */
    private boolean pay(Router.Outlook outlook, LlmException failure) {
        if (fare.pay()) {
            pauseThenRoute(outlook, failure);
            return true;
        }
        if (fare.await(() -> {
            cancel();
            pauseThenRoute(room.router().outlook(call, room.nanos()), failure);
        })) {
            call.paused();
            awaitBudget(failure);
            return true;
        }
        return false;
    }

    void cancel() {
        AttemptTimers.cancel(timer);
    }

    /** While nobody earns for the budget, a call that would know where to go asks for a token now and then. */
    private void awaitBudget(LlmException failure) {
        long left = patience.leftNanos();
        long step = Math.min(left, RetryPolicy.BUDGET_TRICKLE.toNanos());
        pause("retry budget", step, () -> {
            if (step == left) {
                call.fail(failure);
                return;
            }
            awaitBudget(failure);
            if (room.router().outlook(call, room.nanos()) == Router.Outlook.ELSEWHERE) {
                room.budget().trickle(room.nanos());
            }
        });
    }

    /** Goes elsewhere at once; back to an endpoint that was tried only after a pause. */
    private void pauseThenRoute(Router.Outlook outlook, LlmException failure) {
        long pause = outlook == Router.Outlook.ELSEWHERE
                ? 0
                : Math.max(retries.backoffNanos(), room.router().nanosToReturn(call, room.nanos()));
        call.paused();
        if (pause == 0) {
            call.pickAgain();
        } else if (pause - patience.leftNanos() > 0) {
            call.fail(failure); // it could not start in time
        } else {
            pause("back-off", pause, call::pickAgain);
        }
    }

    private void pause(String name, long nanos, Runnable then) {
        timer = room.scheduler()
                .schedule(
                        name,
                        nanos,
                        () -> call.post(() -> {
                            if (call.isPaused()) {
                                then.run();
                            }
                        }));
    }
}
