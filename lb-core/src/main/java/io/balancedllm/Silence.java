/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ProbeResult.Status;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Listens to one endpoint while attempts wait there: when nothing is heard for a moment, it probes at once, one probe at
 * a time, and when that finds no answer either, the endpoint is suspected. Anything that comes from it ends that. Late is
 * not dead, so these probes never make an endpoint unhealthy.
 *
 * <p>One timer follows an endpoint lazily while attempts wait; nothing is set or cancelled for a single attempt.
 */
final class Silence {
    /** Silence after which an endpoint is probed at once, and the least time that probe may take. */
    static final Duration SUSPICION = Duration.ofMillis(800);
    /** How much longer than usual such a probe may take. */
    static final int USUAL_PROBES = 4;

    /** Weight of one probe among those before it: a quick one tells what is usual, a late one that it was late. */
    private static final int FALLING = 2;

    private static final int RISING = 8;

    private final EngineRoom room;
    private final PoolMember member;
    private final MemberHealth judge;
    private final AtomicInteger waiting = new AtomicInteger();
    private final AtomicBoolean listening = new AtomicBoolean();
    private volatile long waitingSince;
    private volatile long lastHeard;
    private volatile boolean probed;
    private volatile long usualProbe;
    private volatile Scheduler.@Nullable Timer timer;

    Silence(EngineRoom room, PoolMember member, MemberHealth judge) {
        this.room = room;
        this.member = member;
        this.judge = judge;
        this.lastHeard = room.nanos();
    }

    long lastHeard() {
        return lastHeard;
    }

    void heard(long nowNanos) {
        lastHeard = nowNanos;
    }

    /** A regular probe was answered after this time. The first of all also opens a connection, and does not count. */
    void answered(long nanos) {
        long usual = usualProbe;
        if (probed) {
            usualProbe = usual == 0 ? nanos : usual + (nanos - usual) / (nanos < usual ? FALLING : RISING);
        }
        probed = true;
    }

    void waits(long nowNanos) {
        if (waiting.getAndIncrement() == 0) {
            waitingSince = nowNanos;
        }
        listen(SUSPICION.toNanos());
    }

    void waitsNoMore() {
        waiting.decrementAndGet();
    }

    private void listen(long delayNanos) {
        if (listening.compareAndSet(false, true)) {
            schedule(delayNanos);
        }
    }

    private void schedule(long delayNanos) {
        timer = room.scheduler().schedule("silence", delayNanos, this::look);
    }

    /** The endpoint has left. */
    void end() {
        AttemptTimers.cancel(timer);
    }

    private boolean isNeeded() {
        return !judge.isOver() && (waiting.get() > 0 || judge.state() == HealthState.SUSPECTED);
    }

    private void look() {
        if (!isNeeded()) {
            listening.set(false);
            if (isNeeded()) {
                listen(SUSPICION.toNanos()); // an attempt came between the two
            }
            return;
        }
        long now = room.nanos();
        long silent = now - (lastHeard - waitingSince > 0 ? lastHeard : waitingSince);
        if (silent < SUSPICION.toNanos()) {
            schedule(SUSPICION.toNanos() - silent);
        } else {
            ProbeRun.start(room, member, patience(), new Suspicion());
        }
    }

    private Duration patience() {
        return Duration.ofNanos(Math.max(SUSPICION.toNanos(), USUAL_PROBES * usualProbe));
    }

    private final class Suspicion implements ProbeRun.Listener {
        @Override
        public void probed(ProbeResult result, boolean answered, long begunNanos) {
            long now = room.nanos();
            if (result.status() != Status.UNHEALTHY) {
                judge.heard(now);
            } else if (isNeeded() && lastHeard - begunNanos <= 0) {
                judge.silent("silent while requests wait, and to a probe: " + result.detail(), now);
            }
            if (judge.isOver()) {
                listening.set(false);
            } else {
                schedule(Math.max(0, SUSPICION.toNanos() - (now - begunNanos)));
            }
        }

        @Override
        public void late(ProbeResult result) {
            if (result.status() != Status.UNHEALTHY) {
                judge.heard(room.nanos());
            }
        }
    }
}
