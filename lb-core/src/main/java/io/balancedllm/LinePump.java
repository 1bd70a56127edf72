/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.time.Scheduler;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Lets the calls of the waiting line go on when room may have come free, the first of those that find some first. Told on
 * any thread; looks on the loop, one look at a time.
 */
final class LinePump {
    private final EngineRoom room;
    private final WaitingLine line;
    private final Router router;
    private final SerialExecutor pumps;
    private final AtomicBoolean queued = new AtomicBoolean();
    private volatile Scheduler.@Nullable Timer wakeTimer;

    LinePump(EngineRoom room, WaitingLine line, Router router) {
        this.room = room;
        this.line = line;
        this.router = router;
        this.pumps = new SerialExecutor(room.loop());
    }

    /** Room may have come free: lets the line move. */
    void capacityChanged() {
        if (!line.isEmpty() && queued.compareAndSet(false, true)) {
            pumps.execute(this::pump);
        }
    }

    /**
     * Lets a call for which the line has no place go where none of those who wait can: so that a busy model whose calls
     * fill the line gets no call for an idle one refused.
     */
    void passTheLine(Call call) {
        pumps.execute(() -> {
            pump();
            call.admission().passed(router.route(call, room.nanos()));
        });
    }

    /** A call has left the line without having started. */
    void leftLine() {
        if (line.isEmpty() && wakeTimer != null) {
            pumps.execute(this::pump); // finds nobody to wake
        }
    }

    private void pump() {
        queued.set(false); // what changes from here on gets a pass of its own
        Long soonest = null;
        for (Call call : line.calls()) {
            Router.Route route = router.route(call, room.nanos());
            if (route.lease() == null && route.failure() == null) {
                Long retryAt = route.retryAtNanos();
                if (retryAt != null && (soonest == null || retryAt - soonest < 0)) {
                    soonest = retryAt;
                }
                if (!anyRoom()) {
                    break;
                }
            } else if (line.start(call)) {
                call.post(() -> call.admission().admitted(route));
            } else if (route.lease() != null) {
                route.lease().release(); // cancelled meanwhile
            }
        }
        wakeAt(soonest);
    }

    private boolean anyRoom() {
        for (EndpointPool pool : room.pools()) {
            if (pool.snapshot().anyRoom()) {
                return true;
            }
        }
        return false;
    }

    /** Endpoints that come back by the clock tell nobody: the line looks again when the first does. Pumps only. */
    private void wakeAt(@Nullable Long nanos) {
        AttemptTimers.cancel(wakeTimer);
        wakeTimer = nanos == null
                ? null
                : room.scheduler().schedule("cooling", Math.max(1, nanos - room.nanos()), this::capacityChanged);
    }
}
