/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.time.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * What lies between a failed attempt and the next one: the wait for the budget, and the pause before an endpoint is asked
 * again. Touched by messages of the call only.
 */
final class Repetition {
    private final EngineRoom room;
    private final Call call;
    private final Retries retries;
    private final Fare fare;
    private Scheduler.@Nullable Timer timer;

    Repetition(EngineRoom room, Call call, Retries retries, Fare fare) {
        this.room = room;
        this.call = call;
        this.retries = retries;
        this.fare = fare;
    }

    /** Begins the way to another attempt. False when too many wait for the budget: then there is none. */
    boolean begin(Router.Outlook outlook, LlmException failure) {
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
        long left = call.patienceEndNanos() - room.nanos();
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
        } else if (pause - (call.patienceEndNanos() - room.nanos()) > 0) {
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
