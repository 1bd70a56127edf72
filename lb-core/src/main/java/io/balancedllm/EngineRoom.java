/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.event.LlmListener;
import io.balancedllm.metrics.StatisticsRecorder;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
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

    private final EndpointPool pool;
    private final Router router;
    private final WaitingLine line;
    private final Settings settings;
    private final List<LlmListener> listeners;
    private final Threads threads;
    private final Ticker ticker;
    private final StatisticsRecorder statistics;
    private final Set<Call> alive = ConcurrentHashMap.newKeySet();
    private final AtomicLong calls = new AtomicLong();
    private final String callIdPrefix;
    private final SerialExecutor pumps;
    private final AtomicBoolean pumpQueued = new AtomicBoolean();
    private final AtomicBoolean closing = new AtomicBoolean();
    private final CountDownLatch empty = new CountDownLatch(1);
    private final CountDownLatch closed = new CountDownLatch(1);

    EngineRoom(
            EndpointPool pool,
            RoutingPolicy policy,
            int maxWaiting,
            Settings settings,
            List<LlmListener> listeners,
            Threads threads,
            Ticker ticker,
            RandomGenerator random) {
        this.pool = pool;
        this.router = new Router(pool, random, policy);
        this.line = new WaitingLine(maxWaiting);
        this.settings = settings;
        this.listeners = List.copyOf(listeners);
        this.threads = threads;
        this.pumps = new SerialExecutor(threads.loop());
        this.ticker = ticker;
        this.statistics = new StatisticsRecorder(ticker);
        this.callIdPrefix = Integer.toHexString(random.nextInt()) + "-";
    }

    EndpointPool pool() {
        return pool;
    }

    Router router() {
        return router;
    }

    WaitingLine line() {
        return line;
    }

    Settings settings() {
        return settings;
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
    boolean enter(Call call) {
        if (closing.get()) {
            return false;
        }
        alive.add(call);
        return !closing.get();
    }

    void leave(Call call) {
        alive.remove(call);
        if (closing.get() && alive.isEmpty()) {
            empty.countDown();
        }
    }

    void evict(PoolMember member) {
        alive.forEach(call -> call.evict(member));
    }

    /** Room may have come free: lets the line move, on the loop. */
    void capacityChanged() {
        if (!line.isEmpty() && pumpQueued.compareAndSet(false, true)) {
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
            call.passed(router.route(call, nanos()));
        });
    }

    private void pump() {
        pumpQueued.set(false); // what changes from here on gets a pass of its own
        for (Call call : line.calls()) {
            Router.Route route = router.route(call, nanos());
            if (route.lease() == null && route.failure() == null) {
                if (!pool.snapshot().anyRoom()) {
                    break;
                }
            } else if (line.remove(call)) {
                call.post(() -> call.admitted(route));
            } else if (route.lease() != null) {
                route.lease().release(); // cancelled meanwhile
            }
        }
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
            awaitCalls();
            pool.close();
        } finally {
            threads.close();
            closed.countDown();
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
