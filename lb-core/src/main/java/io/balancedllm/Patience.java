/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.cache.SingleFlight;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Until when a call goes on: to its deadline, or, without one, for the longest wait since it began or last lost an attempt.
 * Read on any thread; the timer of the deadline is touched by messages of the call only.
 */
final class Patience {
    private final EngineRoom room;
    private final Call call;
    /** When the call has to end; {@link SingleFlight#NO_DEADLINE} for never. */
    private volatile long deadlineNanos = SingleFlight.NO_DEADLINE;
    /** Since when the call, without a deadline, has had patience. */
    private volatile long since;

    private Scheduler.@Nullable Timer timer;
    private boolean over;

    Patience(EngineRoom room, Call call, long startNanos) {
        this.room = room;
        this.call = call;
        this.since = startNanos;
    }

    boolean hasDeadline() {
        return deadlineNanos != SingleFlight.NO_DEADLINE;
    }

    /** The call, or the most patient of those it generates for, waits until then. */
    void deadline(long nanos) {
        deadlineNanos = nanos;
    }

    /** {@return until when it makes sense to wait for an endpoint} */
    long endNanos() {
        return hasDeadline()
                ? deadlineNanos
                : since + room.resilience().retry().longestWait().toNanos();
    }

    /** {@return how many nanoseconds are left, less than 0 when none are} */
    long leftNanos() {
        return endNanos() - room.nanos();
    }

    /** An attempt is lost: without a deadline the wait for the next begins anew. */
    void renew() {
        since = room.nanos();
    }

    /** Ends the call when its timeout passes. */
    void arm(Duration timeout) {
        Scheduler.Timer armed = room.scheduler()
                .schedule(
                        "deadline",
                        timeout.toNanos(),
                        () -> call.post(() -> call.fail(new LlmException(
                                Reason.DEADLINE_EXCEEDED, "the call's timeout of " + timeout + " passed"))));
        call.post(() -> {
            timer = armed;
            if (over) {
                armed.cancel();
            }
        });
    }

    /** The call has ended. */
    void end() {
        over = true;
        AttemptTimers.cancel(timer);
    }
}
