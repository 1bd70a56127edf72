/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.AttemptSummary.Outcome;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ProbeResult.Status;
import io.balancedllm.event.HealthChange;
import io.balancedllm.health.EndpointHealth;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.health.Verdict;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The judge of one generation of an endpoint: sends its regular probes, hears how attempts end there, keeps the timers of
 * its state machine, and makes known what comes of it. Its state is guarded by the pool's lock; what each chunk and each
 * pick reads or writes is volatile.
 */
final class MemberHealth {
    /** The first probes of a pool are spread over this time for each of its endpoints. */
    static final Duration FIRST_PROBE_SPREAD = Duration.ofMillis(1);
    /** Between probes while there is doubt: a connection failed, or a probe, but not as many in a row as it takes. */
    static final Duration DOUBT_INTERVAL = Duration.ofSeconds(1);
    /** How long the one request that tries an endpoint keeps others from trying it. */
    static final Duration TRIAL_PERMIT = Duration.ofSeconds(30);

    private final PoolMember member;
    private final PoolHealth pool;
    private final HealthCheck check;
    private EndpointHealth machine;
    private volatile @Nullable EngineRoom room;
    private volatile @Nullable Silence silence;
    private volatile long epoch;
    private volatile long rampStart;
    private volatile HealthState state;
    private volatile String reason;
    private volatile long nextChange = Long.MAX_VALUE;
    private volatile boolean over;
    private long nextProbe;
    private long lastProbe;
    private boolean probing;
    private Scheduler.@Nullable Timer probeTimer;
    private Scheduler.@Nullable Timer stateTimer;
    private Scheduler.@Nullable Timer permitTimer;
    private long stateTimerDue;

    MemberHealth(PoolMember member, PoolHealth pool) {
        this.member = member;
        this.pool = pool;
        this.check = pool.check();
        this.machine = new EndpointHealth(check, 0);
        this.state = machine.state();
        this.reason = machine.reason();
        this.rampStart = machine.rampStartNanos();
        member.eligibility(Eligibility.of(state, false));
    }

    /** {@return whether it judges a member of this pool} */
    boolean isOf(PoolHealth health) {
        return pool.equals(health);
    }

    // ---- what picks and snapshots read: any thread ----

    HealthState state() {
        return state;
    }

    String reason() {
        return reason;
    }

    long epoch() {
        return epoch;
    }

    double share(long nowNanos) {
        return EndpointHealth.share(check.slowStart(), nowNanos - rampStart);
    }

    long nextChangeNanos() {
        return nextChange;
    }

    // ---- the life of a judge ----

    /** Begins to judge, when the pool has its balancer. */
    void begin(EngineRoom engine) {
        synchronized (pool.lock()) {
            room = engine;
            machine = new EndpointHealth(check, engine.nanos());
            rampStart = machine.rampStartNanos();
            if (check.probes()) {
                silence = new Silence(engine, member, this);
                double spread = engine.random().nextDouble() * pool.members() * FIRST_PROBE_SPREAD.toNanos();
                scheduleProbe(engine, (long) spread);
            }
            arm(engine);
        }
    }

    /** The endpoint has left: nothing of it is judged any more. Called with the lock. */
    void end() {
        over = true;
        AttemptTimers.cancel(probeTimer);
        AttemptTimers.cancel(stateTimer);
        AttemptTimers.cancel(permitTimer);
        Silence listening = silence;
        if (listening != null) {
            listening.end();
        }
    }

    boolean isOver() {
        return over;
    }

    // ---- regular probes ----

    private void scheduleProbe(EngineRoom engine, long delayNanos) {
        probing = false;
        nextProbe = engine.nanos() + Math.max(0, delayNanos);
        probeTimer = engine.scheduler().schedule("probe", delayNanos, () -> probe(engine));
    }

    /** A connection failed: the next probe is not waited for, but no two come closer than in doubt. */
    private void doubt() {
        EngineRoom engine = room;
        if (engine == null) {
            return;
        }
        synchronized (pool.lock()) {
            long now = engine.nanos();
            long soon = Math.max(0, lastProbe + doubtNanos() - now);
            if (!over && !probing && nextProbe - now > soon) {
                AttemptTimers.cancel(probeTimer);
                scheduleProbe(engine, soon);
                arm(engine);
            }
        }
    }

    private long doubtNanos() {
        return Math.min(DOUBT_INTERVAL.toNanos(), check.interval().toNanos());
    }

    private void probe(EngineRoom engine) {
        synchronized (pool.lock()) {
            probing = true;
        }
        ProbeRun.start(engine, member, check.timeout(), new ProbeRun.Listener() {
            @Override
            public void probed(ProbeResult result, boolean answered, long begunNanos) {
                regularlyProbed(engine, result, answered, begunNanos);
            }

            @Override
            public void late(ProbeResult result) {
                if (result.status() != Status.UNHEALTHY) {
                    heard(engine.nanos());
                }
            }
        });
    }

    private void regularlyProbed(EngineRoom engine, ProbeResult result, boolean answered, long begunNanos) {
        long now = engine.nanos();
        Silence listening = silence;
        boolean alive = result.status() != Status.UNHEALTHY;
        if (listening != null && alive) {
            listening.answered(now - begunNanos);
            heard(now);
        }
        // Who is busy may be late to answer; what else came from it meanwhile says that it lives.
        boolean counts = alive || answered || listening == null || listening.lastHeard() - begunNanos <= 0;
        tell(machine -> counts ? machine.probed(result, now) : null);
        synchronized (pool.lock()) {
            if (!over) {
                lastProbe = begunNanos;
                double jitter = 1 + check.jitter() * (2 * engine.random().nextDouble() - 1);
                // One that is late may be busy: it is not pressed.
                long interval = answered && machine.isInDoubt()
                        ? doubtNanos()
                        : check.interval().toNanos();
                scheduleProbe(engine, (long) (interval * jitter) - (now - begunNanos));
                arm(engine);
            }
        }
    }

    // ---- attempts ----

    /** An attempt begins here, and waits for its answer. */
    void begins(Lease lease, long nowNanos) {
        if (member.isTrial(lease)) {
            tries(lease);
        }
        Silence listening = silence;
        if (listening != null) {
            listening.waits(nowNanos);
        }
    }

    /** An attempt has its answer, or wants it no more. */
    void waitsNoMore() {
        Silence listening = silence;
        if (listening != null) {
            listening.waitsNoMore();
        }
    }

    /** A byte came from the endpoint. */
    void heard(long nowNanos) {
        Silence listening = silence;
        if (listening != null) {
            listening.heard(nowNanos);
        }
        if (state == HealthState.SUSPECTED) {
            tell(machine -> machine.heard(nowNanos));
        }
    }

    /** A probe that silence caused found no answer. */
    void silent(String why, long nowNanos) {
        tell(machine -> machine.silent(why, nowNanos));
        EngineRoom engine = room;
        if (engine != null) {
            engine.suspected(member);
        }
    }

    /** An attempt ended; its lease is not released yet. */
    void ended(Lease lease, Outcome outcome, @Nullable LlmException failure, long nowNanos) {
        if (outcome == Outcome.COMPLETED
                || (failure != null && failure.statusCode().isPresent())) {
            heard(nowNanos);
        }
        if (member.evicting()) {
            return; // ended by a drain, not by the endpoint
        }
        Verdict verdict = verdict(outcome, failure);
        if (check.probes() && failure != null && isUnreached(failure)) {
            doubt();
        }
        tell(machine -> machine.ended(
                lease.epoch(),
                member.isTrial(lease),
                verdict,
                verdict.kind() == Verdict.Kind.FAILURE && pool.mayEject(member),
                nowNanos));
    }

    /** {@return whether no answer of any kind came back} */
    private static boolean isUnreached(LlmException failure) {
        return failure.reason() == LlmException.Reason.UNAVAILABLE
                && failure.statusCode().isEmpty();
    }

    private static Verdict verdict(Outcome outcome, @Nullable LlmException failure) {
        return switch (outcome) {
            case COMPLETED -> Verdict.SUCCESS;
            case CANCELLED -> Verdict.NEUTRAL;
            case FAILED -> failure == null ? Verdict.NEUTRAL : Verdict.of(failure);
        };
    }

    boolean mayForgive(Blame.Failed failed, long nowNanos) {
        return machine.mayForgive(failed.lease().epoch(), nowNanos);
    }

    void forgive(Blame.Failed failed) {
        machine.forgive(failed.nanos());
    }

    /** When the one that tries the endpoint takes too long, another one may. */
    private void tries(Lease lease) {
        EngineRoom engine = room;
        if (engine == null) {
            return;
        }
        synchronized (pool.lock()) {
            AttemptTimers.cancel(permitTimer);
            permitTimer = engine.scheduler().schedule("trial", TRIAL_PERMIT.toNanos(), () -> {
                member.endTrial(lease);
                engine.capacityChanged();
            });
        }
    }

    // ---- what comes of it ----

    private void tell(Function<EndpointHealth, @Nullable HealthChange> message) {
        EngineRoom engine = room;
        if (engine == null) {
            return;
        }
        boolean changed;
        synchronized (pool.lock()) {
            changed = !over && apply(message.apply(machine));
            if (!over) {
                arm(engine);
            }
        }
        if (changed) {
            engine.capacityChanged();
        }
    }

    private boolean apply(@Nullable HealthChange change) {
        Eligibility eligibility = Eligibility.of(machine.state(), machine.lastProbeFailed());
        boolean changed = change != null || eligibility != member.eligibility();
        if (changed) {
            epoch = machine.epoch();
            rampStart = machine.rampStartNanos();
            state = machine.state();
            reason = machine.reason();
            member.eligibility(eligibility);
            pool.publish(member, change);
        }
        return changed;
    }

    private void arm(EngineRoom engine) {
        boolean timed = machine.isTimed();
        long due = machine.dueNanos();
        nextChange = timed ? due : check.probes() ? nextProbe : Long.MAX_VALUE;
        if (stateTimer != null && (!timed || due != stateTimerDue)) {
            stateTimer.cancel();
            stateTimer = null;
        }
        if (timed && stateTimer == null) {
            stateTimerDue = due;
            stateTimer = engine.scheduler().schedule("health", due - engine.nanos(), () -> {
                synchronized (pool.lock()) {
                    stateTimer = null;
                }
                tell(machine -> machine.timeUp(engine.nanos()));
            });
        }
    }
}
