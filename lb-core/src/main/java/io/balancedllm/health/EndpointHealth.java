/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.health;

import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.event.HealthChange;
import io.balancedllm.health.Transitions.Signal;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The state machine of one generation of an endpoint, for the engine room. It reads no clock and sets no timer: each
 * message brings its time in nanoseconds, and {@link #dueNanos} says when time alone changes the state. A message
 * returns the change it made, or null. Not thread-safe.
 */
public final class EndpointHealth {
    /** The first ejection; each that follows soon is twice as long as the one before. */
    static final Duration EJECTION_BASE = Duration.ofSeconds(5);
    /** The longest ejection. */
    static final Duration EJECTION_MAX = Duration.ofMinutes(5);
    /** Time without an ejection after which the next one is a first one again. */
    static final Duration EJECTION_MEMORY = Duration.ofMinutes(1);
    /** The pause after a refusal that names none; doubles with each that follows without an answer between. */
    static final Duration COOLING_BASE = Duration.ofSeconds(1);
    /** The longest pause after a refusal that names none. */
    static final Duration COOLING_MAX = Duration.ofSeconds(60);
    /** The pause after a refused key or account; doubles with each that follows without an answer between. */
    static final Duration QUARANTINE_BASE = Duration.ofMinutes(1);
    /** The longest pause after a refused key or account. */
    static final Duration QUARANTINE_MAX = Duration.ofMinutes(30);
    /** The longest pause an endpoint can ask for. */
    static final Duration LONGEST_PAUSE = Duration.ofDays(1);
    /** The pause after a refusal by an engine that shuts down. */
    static final Duration STOPPING_PAUSE = Duration.ofSeconds(30);
    /** The share of an endpoint at the beginning of its slow start. */
    static final double FIRST_SHARE = 0.1;

    private static final int MAX_DOUBLINGS = 20;
    /** States that are held for a while and give way to the one before. */
    private static final Set<HealthState> PASSING = EnumSet.of(HealthState.COOLING, HealthState.SUSPECTED);

    private final HealthCheck check;
    private final Accrual accrual = new Accrual();
    private HealthState state;
    private HealthState before;
    private String reason;
    private long epoch;
    private boolean timed;
    private long due;
    private long rampStart;
    private int answeredProbes;
    private int failedProbes;
    private boolean lastProbeFailed;
    private int ejections;
    private long lastEjectionEnd;
    private int refusals;
    private int lockouts;

    /** A machine that knows nothing of its endpoint; one that is never probed ramps at once. */
    public EndpointHealth(HealthCheck check, long nowNanos) {
        this.check = check;
        this.state = !check.isOn() ? HealthState.HEALTHY : check.probes() ? HealthState.UNKNOWN : HealthState.RAMPING;
        this.before = state;
        this.reason = check.isOn() ? "new" : "not judged";
        if (state == HealthState.RAMPING) {
            startRamp(nowNanos);
        }
    }

    /** {@return what is thought of the endpoint} */
    public HealthState state() {
        return state;
    }

    /** {@return why, in words} */
    public String reason() {
        return reason;
    }

    /**
     * {@return the number of this stay in or out of service} It rises with each way out and each way back, so that what
     * was begun before does not count after.
     */
    public long epoch() {
        return epoch;
    }

    /** {@return whether time alone will change the state} */
    public boolean isTimed() {
        return timed;
    }

    /** {@return when time alone changes the state, if it does} */
    public long dueNanos() {
        return due;
    }

    /** {@return whether the latest regular probe failed} */
    public boolean lastProbeFailed() {
        return lastProbeFailed;
    }

    /** {@return whether the latest regular probes failed, but not enough of them to make the endpoint unhealthy} */
    public boolean isInDoubt() {
        return failedProbes > 0 && failedProbes < check.fall();
    }

    /**
     * {@return the share of a full one that a slow start leaves, above 0 and at most 1}
     *
     * @param slowStart how long it takes
     * @param sinceNanos how long it has been going on
     */
    public static double share(Duration slowStart, long sinceNanos) {
        long nanos = slowStart.toNanos();
        return nanos == 0 ? 1 : Math.min(1, Math.max(FIRST_SHARE, (double) sinceNanos / nanos));
    }

    /** {@return when the slow start began} */
    public long rampStartNanos() {
        return rampStart;
    }

    /** A regular probe ended. */
    public @Nullable HealthChange probed(ProbeResult result, long nowNanos) {
        return switch (result.status()) {
            case READY -> {
                failedProbes = 0;
                lastProbeFailed = false;
                yield ++answeredProbes >= check.rise()
                        ? signal(Signal.PROBES_ANSWERED, "a probe was answered", nowNanos)
                        : null;
            }
            case WARMING -> {
                failedProbes = 0;
                answeredProbes = 0;
                lastProbeFailed = true;
                yield signal(Signal.PROBE_WARMING, "a probe was answered: " + result.detail(), nowNanos);
            }
            case UNHEALTHY -> {
                answeredProbes = 0;
                lastProbeFailed = true;
                yield ++failedProbes >= check.fall()
                        ? signal(Signal.PROBES_FAILED, "probes failed: " + result.detail(), nowNanos)
                        : null;
            }
        };
    }

    /**
     * An attempt ended.
     *
     * @param begun the epoch in which it began
     * @param trial whether it was the one request that tries a half-open endpoint
     * @param mayEject whether the pool can do without this endpoint
     */
    public @Nullable HealthChange ended(long begun, boolean trial, Verdict verdict, boolean mayEject, long nowNanos) {
        return switch (verdict.kind()) {
            case NEUTRAL -> null;
            case SUCCESS -> {
                refusals = 0;
                lockouts = 0;
                if (begun != epoch) {
                    yield null;
                }
                accrual.succeeded(nowNanos);
                yield signal(Signal.REQUEST_ANSWERED, verdict.reason(), nowNanos);
            }
            case FAILURE -> begun == epoch ? failed(trial, verdict.reason(), mayEject, nowNanos) : null;
            case BACK_PRESSURE -> cool(verdict, nowNanos);
            case LOCKED_OUT -> lockOut(verdict, nowNanos);
            case LOADING ->
                check.probes() ? signal(Signal.LOADING, verdict.reason(), nowNanos) : cool(verdict, nowNanos);
            case STOPPING -> signal(Signal.SHUTTING_DOWN, verdict.reason(), nowNanos);
        };
    }

    private @Nullable HealthChange failed(boolean trial, String why, boolean mayEject, long nowNanos) {
        accrual.failed(nowNanos);
        if (trial && state == HealthState.HALF_OPEN) {
            return signal(Signal.TRIPPED, "the request that tried it failed: " + why, nowNanos);
        }
        String tooMany = accrual.tooMany(nowNanos);
        return mayEject && !tooMany.isEmpty()
                ? signal(Signal.TRIPPED, tooMany + ", the last with " + why, nowNanos)
                : null;
    }

    /** Refusals of requests that were under way together count once: only the first of them leads somewhere. */
    private @Nullable HealthChange cool(Verdict verdict, long nowNanos) {
        Duration pause = verdict.pauseOrNull();
        if (state == HealthState.COOLING && pause != null) {
            due = nowNanos + Math.max(bounded(pause), due - nowNanos);
            return null;
        }
        HealthChange change = signal(Signal.BACK_PRESSURE, verdict.reason(), nowNanos);
        if (change != null) {
            due = nowNanos + (pause == null ? doubled(COOLING_BASE, COOLING_MAX, refusals++) : bounded(pause));
        }
        return change;
    }

    private @Nullable HealthChange lockOut(Verdict verdict, long nowNanos) {
        HealthChange change = signal(Signal.LOCKED_OUT, verdict.reason(), nowNanos);
        if (change != null) {
            Duration pause = verdict.pauseOrNull();
            long least = doubled(QUARANTINE_BASE, QUARANTINE_MAX, lockouts++);
            due = nowNanos + (pause == null ? least : Math.max(bounded(pause), least));
        }
        return change;
    }

    private static long bounded(Duration pause) {
        return pause.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE.toNanos() : pause.toNanos();
    }

    /**
     * {@return whether a failure here may be blamed on its request} Something succeeded here lately, and not too many
     * failures were blamed on requests since.
     *
     * @param begun the epoch in which the failed attempt began
     */
    public boolean mayForgive(long begun, long nowNanos) {
        return begun == epoch && accrual.mayForgive(nowNanos);
    }

    /** Takes back a failure that was counted then, because its request was at fault. */
    public void forgive(long endedNanos) {
        accrual.forgive(endedNanos);
    }

    /** No byte came while a request waited, and the probe that this caused found no answer. */
    public @Nullable HealthChange silent(String why, long nowNanos) {
        return signal(Signal.SILENT, why, nowNanos);
    }

    /** A byte came. */
    public @Nullable HealthChange heard(long nowNanos) {
        return signal(Signal.HEARD, "it was heard again", nowNanos);
    }

    /** {@link #dueNanos} has come; nothing happens before. */
    public @Nullable HealthChange timeUp(long nowNanos) {
        return timed && nowNanos - due >= 0 ? signal(Signal.TIME_UP, "the time is over", nowNanos) : null;
    }

    private @Nullable HealthChange signal(Signal signal, String why, long nowNanos) {
        if (!Transitions.leads(state, signal)) {
            return null;
        }
        HealthState target = Transitions.target(state, signal);
        boolean back = target == null;
        HealthState to = target == null ? before : target;
        HealthState from = state;
        if (PASSING.contains(to) && !PASSING.contains(from)) {
            before = from;
        }
        state = to;
        reason = why;
        timed = false;
        if (!back && !PASSING.contains(to) && to != HealthState.HEALTHY) {
            epoch++;
        }
        enter(to, back, nowNanos);
        return new HealthChange(from, to, why);
    }

    private void enter(HealthState to, boolean back, long nowNanos) {
        switch (to) {
            case RAMPING -> {
                if (back) {
                    until(rampStart + check.slowStart().toNanos());
                } else {
                    startRamp(nowNanos);
                }
            }
            case EJECTED -> {
                ejections =
                        ejections == 0 || nowNanos - lastEjectionEnd > EJECTION_MEMORY.toNanos() ? 1 : ejections + 1;
                long nanos = doubled(EJECTION_BASE, EJECTION_MAX, ejections - 1);
                lastEjectionEnd = nowNanos + nanos;
                until(lastEjectionEnd);
            }
            case STOPPING -> until(nowNanos + STOPPING_PAUSE.toNanos());
            case COOLING, QUARANTINED -> until(nowNanos); // whoever signals says how long
            case HALF_OPEN -> accrual.clear();
            case UNKNOWN, HEALTHY, SUSPECTED, WARMING, UNHEALTHY -> {}
        }
    }

    private void startRamp(long nowNanos) {
        accrual.clear();
        rampStart = nowNanos;
        until(nowNanos + check.slowStart().toNanos());
    }

    private void until(long nanos) {
        timed = true;
        due = nanos;
    }

    private static long doubled(Duration base, Duration max, int times) {
        return Math.min(base.toNanos() << Math.min(times, MAX_DOUBLINGS), max.toNanos());
    }

    @Override
    public String toString() {
        return state + " (" + reason + ")";
    }
}
