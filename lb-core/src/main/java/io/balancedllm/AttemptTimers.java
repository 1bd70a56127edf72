/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * The time limits of one attempt: to its first token, of silence after it, and of a reader that pauses. Touched by
 * messages of the call only.
 */
final class AttemptTimers {
    private final EngineRoom room;
    private final AttemptRun run;
    private Scheduler.@Nullable Timer firstToken;
    private Scheduler.@Nullable Timer idle;
    private Scheduler.@Nullable Timer stall;
    private long lastActivityNanos;

    AttemptTimers(EngineRoom room, AttemptRun run) {
        this.room = room;
        this.run = run;
    }

    void dispatched() {
        Duration limit = room.settings().firstTokenTimeout();
        firstToken = arm(
                "first token",
                limit.toNanos(),
                () -> run.fail(new LlmException(Reason.TIMEOUT, "no first token within " + limit)));
    }

    void activity(long nowNanos) {
        lastActivityNanos = nowNanos;
    }

    /** {@return when the attempt last gave a sign of life, 0 when it never did} */
    long lastActivityNanos() {
        return lastActivityNanos;
    }

    void firstToken() {
        cancel(firstToken);
        firstToken = null;
        armIdle(room.settings().idleTimeout().toNanos());
    }

    private void armIdle(long delayNanos) {
        idle = arm("idle", delayNanos, this::checkIdle);
    }

    /** One timer follows the stream lazily, instead of one set anew for each chunk. */
    private void checkIdle() {
        Duration limit = room.settings().idleTimeout();
        long left = lastActivityNanos + limit.toNanos() - room.nanos();
        if (run.outstanding == 0) {
            idle = null; // the reader pauses the stream; demand arms it again
        } else if (left > 0) {
            armIdle(left);
        } else {
            run.fail(new LlmException(Reason.TIMEOUT, "the stream was silent for " + limit));
        }
    }

    /** The buffer is full: silence is the reader's doing from now on. */
    void readerPaused() {
        Duration limit = room.settings().readerStallTimeout();
        stall = arm("reader stall", limit.toNanos(), () -> {
            if (run.outstanding == 0) {
                run.readerStalled(limit);
            }
        });
    }

    void readerResumed(long nowNanos) {
        cancel(stall);
        stall = null;
        lastActivityNanos = nowNanos;
        if (run.hasFirstToken() && idle == null) {
            armIdle(room.settings().idleTimeout().toNanos());
        }
    }

    void cancelAll() {
        cancel(firstToken);
        cancel(idle);
        cancel(stall);
        firstToken = null;
        idle = null;
        stall = null;
    }

    private Scheduler.Timer arm(String name, long delayNanos, Runnable message) {
        return room.scheduler().schedule(name, delayNanos, () -> run.post(message));
    }

    static void cancel(Scheduler.@Nullable Timer timer) {
        if (timer != null) {
            timer.cancel();
        }
    }
}
