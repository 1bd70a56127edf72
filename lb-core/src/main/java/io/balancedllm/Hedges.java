/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.time.Scheduler;
import org.jspecify.annotations.Nullable;

/**
 * When a call makes a second attempt beside the first: after a delay without a token, once, or when the endpoint is
 * suspected. Touched by messages of the call only.
 */
final class Hedges {
    private final EngineRoom room;
    private final Call call;
    private final Race race;
    private final Fare fare;
    private Scheduler.@Nullable Timer timer;
    private boolean hedged;
    private boolean pickUnderWay;
    /** Chunks with output that the leader had shown when the pick began. */
    private int shown;

    Hedges(EngineRoom room, Call call, Race race, Fare fare) {
        this.room = room;
        this.call = call;
        this.race = race;
        this.fare = fare;
    }

    /** An attempt begins: perhaps it will need one beside it. */
    void arm(AttemptRun run) {
        if (hedged || !room.resilience().hedging().enabled() || !call.mayHedge(run)) {
            return;
        }
        long delay = room.hedgeDelayNanos();
        if (delay >= 0) {
            timer = room.scheduler().schedule("hedge", delay, () -> run.post(() -> late(run)));
        }
    }

    void disarm() {
        AttemptTimers.cancel(timer);
        timer = null;
    }

    private void late(AttemptRun run) {
        // The line is not overtaken: with all endpoints full a second attempt would only make it longer.
        if (mayStart(run) && !run.hasFirstToken() && room.line().isEmpty() && fare.pay()) {
            start(run);
        }
    }

    void suspected(PoolMember member) {
        AttemptRun run = race.leader();
        if (run == null || !run.member().equals(member) || !mayStart(run)) {
            return;
        }
        if (fare.pay()) {
            start(run);
            return;
        }
        long activity = run.timers.lastActivityNanos();
        boolean unused = fare.await(() -> {
            if (mayStart(run) && run.timers.lastActivityNanos() == activity) {
                start(run);
            } else {
                fare.giveBack();
            }
        });
    }

    private boolean mayStart(AttemptRun run) {
        return !pickUnderWay && !fare.isAwaited() && call.mayHedge(run);
    }

    private void start(AttemptRun run) {
        disarm();
        hedged = true;
        pickUnderWay = true;
        shown = run.outputChunks;
        call.hedge(run);
    }

    boolean pickUnderWay() {
        return pickUnderWay;
    }

    /** The pick that is under way, if one is, has come to its end. {@return whether one was} */
    boolean picked() {
        boolean was = pickUnderWay;
        pickUnderWay = false;
        return was;
    }

    /** {@return whether the leader has shown nothing since the pick began} */
    boolean stillWanted() {
        AttemptRun leader = race.leader();
        return leader != null && leader.outputChunks == shown;
    }

    void ended(AttemptRun run) {
        if (race.leads(run)) {
            disarm();
            fare.forget();
        }
    }
}
