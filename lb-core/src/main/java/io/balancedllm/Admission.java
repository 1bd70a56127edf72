/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.time.Duration;
import java.util.concurrent.Executor;

/**
 * What becomes of a call that found no room: a place in the waiting line, a way past it, or a refusal. Touched by messages
 * of the call only, but for {@link #passed}.
 */
final class Admission {
    private final EngineRoom room;
    private final Call call;
    private final Patience patience;
    private final Dispatch dispatch;
    private final CallRecord record;
    private final Executor userCode;

    Admission(EngineRoom room, Call call, Patience patience, Dispatch dispatch, CallRecord record) {
        this.room = room;
        this.call = call;
        this.patience = patience;
        this.dispatch = dispatch;
        this.record = record;
        this.userCode = record.userCode();
    }

    /** There was no room, or, when none was looked for, others wait for some. */
    void mustWait(boolean looked) {
        if (call.hasEnded()) {
            call.closeAfterPick();
            return;
        }
        if (cannotStartInTime()) {
            return;
        }
        if (!room.line().add(call)) {
            if (looked || room.router().isFull(call, room.nanos())) {
                refuse("all eligible endpoints are full and " + room.line().capacity() + " calls are waiting already");
            } else {
                room.pump().passTheLine(call);
            }
            return;
        }
        call.waiting();
        record.waiting();
        // Room may have come free between the pick and the line.
        room.capacityChanged();
    }

    private boolean cannotStartInTime() {
        if (!patience.hasDeadline() || !room.resilience().admission().shedding()) {
            return false;
        }
        long wait = room.line().expectedWaitNanos(call.options().priority());
        if (wait <= patience.leftNanos()) {
            return false;
        }
        refuse("by the pace of the waiting line the call would start in "
                + Duration.ofNanos(wait).toMillis() + " ms, after its deadline");
        return true;
    }

    private void refuse(String why) {
        call.refused(Failures.rejected(
                why, room.line().expectedWaitNanos(call.options().priority())));
    }

    /** Comes past a full line, with room that none of those who wait can use, or with none. */
    void passed(Router.Route route) {
        userCode.execute(() -> dispatch.settle(route));
    }

    /** Comes from the line, with a lease or a failure. */
    void admitted(Router.Route route) {
        if (call.hasEnded()) {
            if (route.lease() != null) {
                route.lease().release();
            }
            return;
        }
        call.picking();
        record.waited();
        userCode.execute(() -> dispatch.settle(route));
    }

    /** The call ends while it waits. */
    void leave() {
        room.line().remove(call);
        room.pump().leftLine();
    }
}
