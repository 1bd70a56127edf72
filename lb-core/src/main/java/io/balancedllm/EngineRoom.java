/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.cache.CacheOptions;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.LlmException;
import io.balancedllm.event.LlmListener;
import io.balancedllm.metrics.StatisticsRecorder;
import io.balancedllm.prefix.PromptEncoder;
import io.balancedllm.resilience.AdmissionControl;
import io.balancedllm.resilience.HedgingPolicy;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the calls of one balancer share: pool, router, waiting line, threads, clock and the list of who is alive. */
final class EngineRoom {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    /** How long closing waits, once all calls have ended, for their listeners to hear of it. */
    private static final Duration LISTENER_GRACE = Duration.ofSeconds(1);

    /** Time limits of calls. */
    record Settings(
            Duration firstTokenTimeout, Duration idleTimeout, Duration readerStallTimeout, Duration closeGrace) {}

    /**
     * What calls do about endpoints that fail, are slow or full.
     *
     * @param fallbacks pools for calls that the one before has nobody for
     */
    record Resilience(
            RetryPolicy retry, HedgingPolicy hedging, AdmissionControl admission, List<EndpointPool> fallbacks) {
        static final Resilience DEFAULT =
                new Resilience(RetryPolicy.DEFAULT, HedgingPolicy.OFF, AdmissionControl.DEFAULT, List.of());
    }

    private final List<EndpointPool> pools;
    private final PoolLoad load;
    private final Router router;
    private final WaitingLine line;
    private final Settings settings;
    private final Resilience resilience;
    private final RetryBudget budget;
    private final @Nullable RecentTimes timesToFirstToken;
    private final List<LlmListener> listeners;
    private final Threads threads;
    private final Ticker ticker;
    private final RandomGenerator random;
    private final StatisticsRecorder statistics;
    private final Set<Ongoing> alive = ConcurrentHashMap.newKeySet();
    private final AtomicLong calls = new AtomicLong();
    private final String callIdPrefix;
    private final @Nullable CacheStage cache;
    private final LinePump pump;
    private final AtomicBoolean closing = new AtomicBoolean();
    private final CountDownLatch empty = new CountDownLatch(1);
    private final CountDownLatch closed = new CountDownLatch(1);

    EngineRoom(
            EndpointPool pool,
            RoutingPolicy policy,
            Resilience resilience,
            Settings settings,
            List<LlmListener> listeners,
            Threads threads,
            Ticker ticker,
            RandomGenerator random,
            PromptEncoder encoder,
            @Nullable CacheOptions cache) {
        this.pools =
                Stream.concat(Stream.of(pool), resilience.fallbacks().stream()).toList();
        this.load = new PoolLoad(encoder);
        this.router = new Router(pools, load, random, policy);
        this.line = new WaitingLine(resilience.admission().maxWaiting(), ticker);
        this.resilience = resilience;
        this.budget = new RetryBudget(resilience.retry(), resilience.admission().maxWaiting(), ticker.nanos());
        this.timesToFirstToken = resilience.hedging().quantile().isPresent()
                ? new RecentTimes(resilience.hedging().quantile().getAsDouble(), HedgingPolicy.LEAST_SAMPLES)
                : null;
        this.settings = settings;
        this.listeners = List.copyOf(listeners);
        this.threads = threads;
        this.pump = new LinePump(this, line, router);
        this.ticker = ticker;
        this.random = random;
        this.statistics = new StatisticsRecorder(ticker);
        this.callIdPrefix = Integer.toHexString(random.nextInt()) + "-";
        this.cache = cache == null ? null : new CacheStage(this, cache);
    }

    /** {@return a call, not started yet; where there is a cache, one that may be answered from it} */
    Ongoing newCall(Work work, CallOptions options, Output output, boolean streaming) {
        return cache != null && work instanceof Work.OfCompletion completion
                ? cache.call(completion, options, output, streaming)
                : new Call(this, work, options, output, streaming);
    }

    /** {@return the cache, null when there is none} */
    @Nullable
    CacheStage cache() {
        return cache;
    }

    /** {@return the pool that is asked first} */
    EndpointPool pool() {
        return pools.get(0);
    }

    List<EndpointPool> pools() {
        return pools;
    }

    PoolLoad load() {
        return load;
    }

    Router router() {
        return router;
    }

    WaitingLine line() {
        return line;
    }

    LinePump pump() {
        return pump;
    }

    Settings settings() {
        return settings;
    }

    Resilience resilience() {
        return resilience;
    }

    RetryBudget budget() {
        return budget;
    }

    RandomGenerator random() {
        return random;
    }

    /** {@return after how many nanoseconds without a token a call is hedged; -1 for never} */
    long hedgeDelayNanos() {
        return timesToFirstToken == null
                ? resilience.hedging().delay().map(Duration::toNanos).orElse(-1L)
                : timesToFirstToken.value();
    }

    /** An attempt had its first token after this time, or was given up without one. */
    void timeToFirstToken(long nanos) {
        if (timesToFirstToken != null) {
            timesToFirstToken.add(nanos);
        }
    }

    /** A member has joined one of the pools. */
    void joined(PoolMember member) {
        member.recorder(statistics.endpointAdded(member.id()));
        member.ticker(ticker);
        member.join(load, ticker.nanos());
        resilience
                .admission()
                .targetTimeToFirstToken()
                .ifPresent(target -> member.adaptiveLimit(new AdaptiveLimit(target)));
    }

    List<LlmListener> listeners() {
        return listeners;
    }

    StatisticsRecorder statistics() {
        return statistics;
    }

    Executor loop() {
        return threads.loop();
    }

    Scheduler scheduler() {
        return threads.scheduler();
    }

    Ticker ticker() {
        return ticker;
    }

    long nanos() {
        return ticker.nanos();
    }

    String nextCallId() {
        return callIdPrefix + calls.incrementAndGet();
    }

    /** Runs a task that may block, or that completes what user code hangs on. */
    void callback(Runnable task) {
        try {
            threads.callbacks().execute(task);
        } catch (RejectedExecutionException | OutOfMemoryError e) {
            // Shut down, full, or out of threads: a caller that still waits must not wait for ever.
            LOG.debug("the callback pool refused, running on this thread", e);
            task.run();
        }
    }

    /** Lets a call begin; false when the balancer is closing. Each call that entered leaves, once. */
    boolean enter(Ongoing call) {
        if (closing.get()) {
            return false;
        }
        alive.add(call);
        return !closing.get();
    }

    /** A call begins on behalf of one that is in the room. */
    void join(Call call) {
        alive.add(call);
    }

    void leave(Ongoing call) {
        alive.remove(call);
        if (closing.get() && alive.isEmpty()) {
            empty.countDown();
        }
    }

    void evict(PoolMember member) {
        oldestFirst().forEach(call -> call.evict(member));
    }

    /** {@return those who are alive, in the order in which they began: what they compete for goes to the oldest} */
    private List<Ongoing> oldestFirst() {
        return alive.stream()
                .sorted(Comparator.comparingInt((Ongoing call) -> call.id().length())
                        .thenComparing(Ongoing::id))
                .toList();
    }

    /** An endpoint is silent and answers no probe: its attempts that have delivered nothing may be hedged. */
    void suspected(PoolMember member) {
        oldestFirst().forEach(call -> call.suspected(member));
    }

    /** An endpoint was asked for a model it does not have: it is believed for a while, and asked what it has. */
    void modelMissing(PoolMember member, String model) {
        member.served().misses(model, nanos());
        loop().execute(() -> pools.forEach(pool -> pool.refresh(member)));
    }

    /** {@return who judges the pool of this member; the first pool's, when it has left} */
    PoolHealth healthOf(PoolMember member) {
        for (EndpointPool pool : pools) {
            if (member.equals(pool.snapshot().member(member.id()))) {
                return pool.health();
            }
        }
        return pool().health();
    }

    /** Room may have come free: lets the line move, on the loop. */
    void capacityChanged() {
        pump.capacityChanged();
    }

    /**
     * Ends everything: waits for the calls in flight for the grace period, fails those that are left, closes the pool
     * and ends the threads. Calls that have ended get a moment to tell their listeners so; a listener that blocks, or
     * that closes the balancer itself, costs no more than that. A second caller waits for the first.
     */
    void close() {
        if (!closing.compareAndSet(false, true)) {
            await(closed);
            return;
        }
        try {
            if (cache != null) {
                cache.audits().close();
            }
            awaitCalls();
            pools.forEach(EndpointPool::close);
        } finally {
            closeCache();
            threads.close();
            closed.countDown();
        }
    }

    /** A cache that throws must not keep the threads from being ended. */
    private void closeCache() {
        if (cache != null) {
            try {
                cache.close();
            } catch (RuntimeException e) {
                LOG.warn("the cache failed to close", e);
            }
        }
    }

    private void awaitCalls() {
        if (alive.isEmpty()) {
            return;
        }
        long nanos = settings.closeGrace().toNanos();
        Scheduler.Timer grace = scheduler().schedule("close grace", nanos, this::abortAll);
        Scheduler.Timer last =
                scheduler().schedule("close listeners", nanos + LISTENER_GRACE.toNanos(), empty::countDown);
        if (!await(empty)) {
            abortAll();
        }
        grace.cancel();
        last.cancel();
    }

    private void abortAll() {
        LlmException failure = new LlmException(
                LlmException.Reason.CLOSED,
                "the BalancedLlm was closed and the call did not end within " + settings.closeGrace());
        alive.forEach(call -> call.abort(failure));
    }

    /** False when the thread was interrupted; the interrupt stays set. */
    private static boolean await(CountDownLatch latch) {
        try {
            latch.await();
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
