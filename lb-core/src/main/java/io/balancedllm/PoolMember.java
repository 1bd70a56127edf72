/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.metrics.EndpointRecorder;
import io.balancedllm.prefix.PromptEncoder;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * One generation of an endpoint in the pool: the object that leases hold and that counts what is in flight. The count
 * is written by leases only, so it can neither leak through a renamed or replaced endpoint nor go negative.
 */
final class PoolMember implements EndpointView {
    /** How long what an engine said of its load is believed, unless it is asked more rarely than that. */
    static final Duration REPORT_LIFETIME = Duration.ofSeconds(5);

    private final Endpoint endpoint;
    private final long generation;
    private final OptionalLong kvCapacityTokens;
    private final Runnable onRelease;
    private final ServedModels served;
    private final EndpointLocals locals = new EndpointLocals(this);
    private final AtomicInteger inFlight = new AtomicInteger();
    private volatile @Nullable AdaptiveLimit adaptiveLimit;
    private volatile double weight;
    private volatile int maxConcurrency;
    private volatile EndpointState state = EndpointState.ACTIVE;
    /** Whether a drain has run out of time, so that an attempt that is only just starting here has to end, too. */
    private volatile boolean evicting;

    /** What its health lets it take; written with the pool's snapshot, under the pool's lock. */
    private volatile Eligibility eligibility = Eligibility.OPEN;
    /** The one attempt that an endpoint on trial may have. */
    private final AtomicReference<@Nullable Lease> trial = new AtomicReference<>();

    private volatile @Nullable MemberHealth health;

    private final AtomicBoolean backendClosed = new AtomicBoolean();
    private volatile @Nullable EndpointRecorder recorder;
    private volatile EndpointLoad load;
    private volatile @Nullable Ticker ticker;
    private volatile @Nullable TakenReport report;

    PoolMember(Endpoint endpoint, BackendTraits traits, long generation, Runnable onRelease) {
        this.endpoint = endpoint;
        this.generation = generation;
        this.onRelease = onRelease;
        this.weight = endpoint.weight();
        this.maxConcurrency = endpoint.maxConcurrency();
        this.served = new ServedModels(endpoint.models(), traits);
        this.kvCapacityTokens = traits.kvCapacityTokens();
        this.load = new EndpointLoad(endpoint.id(), new PoolLoad(PromptEncoder.bytes()), kvCapacityTokens, 0);
    }

    Endpoint endpoint() {
        return endpoint;
    }

    long generation() {
        return generation;
    }

    /** {@return what its backend serves} */
    ServedModels served() {
        return served;
    }

    /** Finds the limit by trying, below {@link #maxConcurrency()}. */
    void adaptiveLimit(AdaptiveLimit limit) {
        this.adaptiveLimit = limit;
    }

    /** An attempt had its first token after this time. {@return whether there is more room now} */
    boolean firstToken(long nanos) {
        AdaptiveLimit adaptive = adaptiveLimit;
        return adaptive != null && adaptive.firstToken(nanos, inFlight.get(), maxConcurrency);
    }

    /** An attempt failed. */
    void failed(Reason reason) {
        AdaptiveLimit adaptive = adaptiveLimit;
        if (adaptive != null && (reason == Reason.OVERLOADED || reason == Reason.RATE_LIMITED)) {
            adaptive.overloaded();
        }
    }

    private int limit() {
        AdaptiveLimit adaptive = adaptiveLimit;
        return adaptive == null ? maxConcurrency : Math.min(maxConcurrency, adaptive.current());
    }

    /** {@return what counts for this generation} There is one as soon as the pool has a balancer, so for every attempt. */
    EndpointRecorder recorder() {
        EndpointRecorder present = recorder;
        if (present == null) {
            throw new IllegalStateException("endpoint " + id() + " has no balancer yet");
        }
        return present;
    }

    void recorder(EndpointRecorder recorder) {
        this.recorder = recorder;
    }

    /** Joins the books of a balancer; what is counted before is counted for nobody. */
    void join(PoolLoad pool, long nowNanos) {
        load = new EndpointLoad(id(), pool, kvCapacityTokens, nowNanos).teller(endpoint.backend());
    }

    EndpointLoad load() {
        return load;
    }

    EndpointState state() {
        return state;
    }

    void state(EndpointState state) {
        this.state = state;
    }

    boolean evicting() {
        return evicting;
    }

    void evicting(boolean evicting) {
        this.evicting = evicting;
    }

    /** {@return whether the backend is to be closed now: true once, unless it is to stay open} */
    boolean mayCloseBackend() {
        return endpoint.closeBackend() && backendClosed.compareAndSet(false, true);
    }

    void weight(double weight) {
        this.weight = weight;
    }

    void maxConcurrency(int maxConcurrency) {
        this.maxConcurrency = maxConcurrency;
    }

    Eligibility eligibility() {
        return eligibility;
    }

    void eligibility(Eligibility eligibility) {
        this.eligibility = eligibility;
    }

    /** {@return who judges this generation, null where nobody does} */
    @Nullable
    MemberHealth health() {
        return health;
    }

    void health(MemberHealth health) {
        this.health = health;
    }

    HealthState healthState() {
        MemberHealth judge = health;
        return judge == null ? HealthState.HEALTHY : judge.state();
    }

    String healthReason() {
        MemberHealth judge = health;
        return judge == null ? "not judged" : judge.reason();
    }

    /** A byte came from it. */
    void heard(long nowNanos) {
        MemberHealth judge = health;
        if (judge != null) {
            judge.heard(nowNanos);
        }
    }

    /** {@return the share of a full one that its slow start leaves it, above 0 and at most 1} */
    double share(long nowNanos) {
        MemberHealth judge = health;
        return judge == null ? 1 : judge.share(nowNanos);
    }

    /** {@return when its health may change by itself, {@link Long#MAX_VALUE} for never} */
    long nextChangeNanos() {
        MemberHealth judge = health;
        return judge == null ? Long.MAX_VALUE : judge.nextChangeNanos();
    }

    /** {@return whether it may take an attempt, as far as its limit goes} */
    boolean isBelowLimit() {
        return inFlight.get() < limit();
    }

    /** {@return whether it may take an attempt, as far as its limit and the gate of a trial go} */
    boolean hasRoom() {
        return isBelowLimit() && (!eligibility.isOneAtATime() || trial.get() == null);
    }

    /**
     * {@return a lease on this endpoint, or null when it is full or takes no new attempts}
     *
     * @param lastResort whether the gate of a trial does not count, because nobody else is there
     */
    @Nullable
    Lease tryAcquire(boolean lastResort) {
        MemberHealth judge = health;
        Lease lease = new Lease(this, judge == null ? 0 : judge.epoch());
        if (!lastResort && eligibility.isOneAtATime() && !trial.compareAndSet(null, lease)) {
            return null;
        }
        if (count()) {
            return lease;
        }
        trial.compareAndSet(lease, null);
        return null;
    }

    /** {@return whether it is the one that may try this endpoint} */
    boolean isTrial(Lease lease) {
        return lease.equals(trial.get());
    }

    /** Lets another attempt try this endpoint, if it was this one that did. */
    void endTrial(Lease lease) {
        trial.compareAndSet(lease, null);
    }

    /** {@return whether another attempt could be counted} */
    private boolean count() {
        int limit = limit();
        int current;
        do {
            current = inFlight.get();
            if (current >= limit) {
                return false;
            }
        } while (!inFlight.compareAndSet(current, current + 1));
        if (state != EndpointState.ACTIVE) {
            inFlight.decrementAndGet();
            onRelease.run();
            return false;
        }
        return true;
    }

    /** Only for {@link Lease}. */
    void release(Lease lease) {
        trial.compareAndSet(lease, null);
        inFlight.decrementAndGet();
        onRelease.run();
    }

    void dropLocals() {
        locals.drop();
    }

    @Override
    public String id() {
        return endpoint.id();
    }

    @Override
    public double weight() {
        return weight;
    }

    @Override
    public Map<String, String> labels() {
        return endpoint.labels();
    }

    @Override
    public int maxConcurrency() {
        return limit();
    }

    @Override
    public int inFlight() {
        return inFlight.get();
    }

    @Override
    public long pendingPromptTokens() {
        load.pool().keep(PoolLoad.Kept.PROMPT_TOKENS);
        return load.pendingPromptTokens();
    }

    @Override
    public double pendingPrefillSeconds(long nowNanos) {
        load.pool().keep(PoolLoad.Kept.PROMPT_TOKENS);
        return load.pendingPrefillSeconds(nowNanos);
    }

    @Override
    public double contextTokens() {
        load.pool().keep(PoolLoad.Kept.PROMPT_TOKENS);
        return load.contextTokens();
    }

    @Override
    public double kvTokensInUse() {
        load.pool().keep(PoolLoad.Kept.PREFIXES);
        return load.kvTokensInUse(inFlight());
    }

    @Override
    public OptionalLong kvCapacityTokens() {
        return load.kvCapacityTokens();
    }

    @Override
    public double freedTokensPerSecond() {
        load.pool().keep(PoolLoad.Kept.PROMPT_TOKENS);
        return load.freedTokensPerSecond();
    }

    @Override
    public double secondsPerPromptToken() {
        load.pool().keep(PoolLoad.Kept.PROMPT_TOKENS);
        return load.secondsPerPromptToken();
    }

    @Override
    public Optional<EngineReport> report() {
        TakenReport taken = report;
        return taken == null || taken.hasExpired() ? Optional.empty() : taken.found();
    }

    @Override
    public int inFlightSinceReport() {
        TakenReport taken = report;
        return taken == null || taken.hasExpired() ? 0 : inFlight.get() - taken.inFlight();
    }

    /** Gives the clock by which reports grow old; without one there are none. */
    void ticker(Ticker clock) {
        this.ticker = clock;
    }

    /** Takes a report that has come by itself: of now. */
    void report(EngineReport told) {
        Ticker clock = ticker;
        if (clock != null) {
            report(told.at(clock.nanos()), inFlight.get(), REPORT_LIFETIME);
        }
    }

    /**
     * Takes a report that was asked for.
     *
     * @param told with the time it was asked for
     * @param inFlightThen what was in flight then
     * @param lifetime how long to believe it
     */
    void report(EngineReport told, int inFlightThen, Duration lifetime) {
        Ticker clock = ticker;
        if (clock != null) {
            report = TakenReport.after(report, told, inFlightThen, lifetime.toNanos(), clock);
            load.kvCapacityTokens(told.kvCapacityTokens().isPresent() ? told.kvCapacityTokens() : kvCapacityTokens);
        }
    }

    @Override
    public <T> T local(EndpointLocal<T> local) {
        return locals.get(local);
    }

    @Override
    public String toString() {
        return id() + "#" + generation;
    }
}
