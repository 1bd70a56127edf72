/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.ResponseInfo;
import io.balancedllm.event.AttemptInfo;
import io.balancedllm.event.AttemptListener;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.routing.AttemptEvent;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The life of one request, as a state machine that owns no thread and makes no timed wait. Its state is touched by
 * messages only (chunks, ends, timers, cancels, admissions), which run one at a time on whatever thread brings them; so
 * messages never run user code. What does (the policy's pick, listeners, starting a backend) runs on the caller's thread
 * for the first attempt and on the loop from then on, in {@link #userCode}.
 *
 * <pre>{@code
 * PICKING -> RUNNING                          an endpoint had room
 * PICKING -> WAITING -> PICKING -> RUNNING    none had; admitted from the line
 * RUNNING -> PICKING                          failed, nothing was delivered, another try is allowed
 * any     -> ENDED                            completed, failed, cancelled: once
 * }</pre>
 */
final class Call {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private enum Phase {
        PICKING,
        WAITING,
        RUNNING,
        ENDED
    }

    private final EngineRoom room;
    private final String id;
    private final Work work;
    private final CallOptions options;
    private final Output output;
    private final boolean streaming;
    private final Mailbox mailbox = new Mailbox(this::defect);
    private final SerialExecutor userCode;
    private final long startNanos;

    private Phase phase = Phase.PICKING;
    private @Nullable CallListener listener;
    private @Nullable AttemptRun current;
    private final List<AttemptSummary> attempts = new ArrayList<>(1);
    private final Set<PoolMember> tried = new HashSet<>();
    private final Set<PoolMember> barred = new HashSet<>();
    private @Nullable LlmException lastFailure;
    private Router.@Nullable Route lastRoute;
    private Scheduler.@Nullable Timer deadlineTimer;
    private long waitingSince;
    private long waitedNanos = -1;
    private long timeToFirstTokenNanos = -1;
    private @Nullable CallEnd pendingEnd;
    /** Whether the phase is ENDED, for readers outside of messages. */
    private volatile boolean ended;

    Call(EngineRoom room, Work work, CallOptions options, Output output, boolean streaming) {
        this.room = room;
        this.id = room.nextCallId();
        this.work = work;
        this.options = options;
        this.output = output;
        this.streaming = streaming;
        this.userCode = new SerialExecutor(room.loop());
        this.startNanos = room.nanos();
    }

    String id() {
        return id;
    }

    Work work() {
        return work;
    }

    Operation operation() {
        return work.operation();
    }

    CallOptions options() {
        return options;
    }

    // Read where the next attempt is routed, which never overlaps with the messages that write.

    int attemptsMade() {
        return attempts.size();
    }

    boolean hasTried() {
        return !tried.isEmpty();
    }

    boolean tried(PoolMember member) {
        return tried.contains(member);
    }

    boolean barred(PoolMember member) {
        return barred.contains(member);
    }

    // ---- from outside: any thread ----

    /** Begins, on the caller's thread. */
    void start() {
        listener = CallListeners.of(room.listeners(), new CallInfo(id, operation(), work.model(), streaming, options));
        room.statistics().callStarted();
        if (!room.enter(this)) {
            post(() -> routed(Failures.closed()));
            return;
        }
        options.timeout().ifPresent(this::armDeadline);
        route();
    }

    private void armDeadline(Duration timeout) {
        Scheduler.Timer timer = room.scheduler()
                .schedule(
                        "deadline",
                        timeout.toNanos(),
                        () -> post(() -> fail(new LlmException(
                                Reason.DEADLINE_EXCEEDED, "the call's timeout of " + timeout + " passed"))));
        post(() -> {
            deadlineTimer = timer;
            if (phase == Phase.ENDED) {
                timer.cancel();
            }
        });
    }

    void cancel(String why) {
        if (!ended) { // most futures and streams are closed behind their end, and an exception is not cheap
            post(() -> fail(new LlmException(Reason.CANCELLED, why)));
        }
    }

    void abort(LlmException failure) {
        post(() -> fail(failure));
    }

    /** The reader has taken this many chunks more. */
    void demand(int chunks) {
        post(() -> demanded(chunks));
    }

    /** A drain ran out of time: an attempt on that endpoint has to end. */
    void evict(PoolMember member) {
        post(() -> {
            AttemptRun run = current;
            if (run != null && run.member().equals(member)) {
                evict(run);
            }
        });
    }

    private void evict(AttemptRun run) {
        end(run, new LlmException(Reason.UNAVAILABLE, "the endpoint was drained and its time is up"));
    }

    void post(Runnable message) {
        mailbox.post(message);
    }

    // ---- user code: caller's thread or loop ----

    private void route() {
        if (room.line().isEmpty()) {
            settle(room.router().route(this, room.nanos()));
        } else {
            post(() -> mustWait(false)); // nobody overtakes those who wait
        }
    }

    private void settle(Router.Route route) {
        if (route.lease() != null) {
            launch(route, route.lease());
        } else if (route.failure() != null) {
            LlmException failure = route.failure();
            post(() -> routed(failure));
        } else {
            post(() -> mustWait(true));
        }
    }

    private void launch(Router.Route route, Lease lease) {
        int number = attempts.size() + 1;
        Map<String, String> headers = new HashMap<>();
        CallListener tell = listener;
        AttemptListener attemptListener = tell == null
                ? null
                : tell.attemptStarted(
                        new AttemptInfo(
                                id, number, lease.member().id(), route.policy().description()),
                        (name, value) -> headers.put(
                                Objects.requireNonNull(name, "name"), Objects.requireNonNull(value, "value")));
        AttemptRun run = new AttemptRun(this, number, lease, route.policy(), attemptListener, room.nanos());
        post(() -> launching(run, route));
        if (run.over) {
            return; // cancelled or evicted meanwhile
        }
        Generation generation;
        try {
            generation = Objects.requireNonNull(
                    work.start(
                            lease.member().endpoint().backend(),
                            lease.member().upstream(route.model()),
                            new Work.Terms(options, id, number, headers, remaining()),
                            run),
                    "no Generation");
        } catch (Throwable e) { // also an Error, a native library that does not load: the lease must not leak
            run.failed(
                    Failures.defect("the backend of endpoint " + lease.member().id() + " threw " + e, e));
            return;
        }
        post(() -> started(run, generation));
    }

    private @Nullable Duration remaining() {
        return options.timeout()
                .map(timeout -> {
                    Duration left = timeout.minusNanos(room.nanos() - startNanos);
                    return left.isNegative() ? Duration.ZERO : left;
                })
                .orElse(null);
    }

    // ---- messages: one at a time ----

    private void routed(LlmException failure) {
        // With an earlier attempt, its failure tells more than that there is no other endpoint.
        LlmException earlier = lastFailure;
        if (phase == Phase.ENDED) {
            closeBooks();
        } else {
            phase = Phase.RUNNING;
            fail(earlier == null || failure.reason() == Reason.INTERNAL_ERROR ? failure : earlier);
        }
    }

    /** There was no room, or, when none was looked for, others wait for some. */
    private void mustWait(boolean looked) {
        if (phase == Phase.ENDED) {
            closeBooks();
            return;
        }
        if (!room.line().add(this)) {
            if (looked || room.router().isFull(this)) {
                refused();
            } else {
                room.passTheLine(this);
            }
            return;
        }
        phase = Phase.WAITING;
        waitingSince = room.nanos();
        CallListener tell = listener;
        if (tell != null) {
            userCode.execute(tell::waiting);
        }
        // Room may have come free between the pick and the line.
        room.capacityChanged();
    }

    private void refused() {
        phase = Phase.RUNNING;
        fail(new LlmException(
                Reason.REJECTED,
                "all eligible endpoints are full and " + room.line().capacity() + " calls are waiting already"));
    }

    /** Comes past a full line, with room that none of those who wait can use, or with none. */
    void passed(Router.Route route) {
        userCode.execute(() -> settle(route));
    }

    /** Comes from the line, with a lease or a failure. */
    void admitted(Router.Route route) {
        if (phase == Phase.ENDED) {
            if (route.lease() != null) {
                route.lease().release();
            }
            return;
        }
        phase = Phase.PICKING;
        waitedNanos = Math.max(0, waitedNanos) + room.nanos() - waitingSince;
        userCode.execute(() -> settle(route));
    }

    private void launching(AttemptRun run, Router.Route route) {
        lastRoute = route;
        run.member().recorder().attemptStarted(run.number);
        tellPolicy(run, new AttemptEvent.Dispatched(id, run.number, run.member(), run.dispatchedNanos));
        if (phase == Phase.ENDED) {
            finish(run, AttemptSummary.Outcome.CANCELLED, null);
            closeBooks();
            return;
        }
        phase = Phase.RUNNING;
        current = run;
        if (run.member().evicting()) {
            evict(run); // its lease is older than the drain, and the time was up before this message came
            return;
        }
        Duration limit = room.settings().firstTokenTimeout();
        run.firstTokenTimer = room.scheduler()
                .schedule(
                        "first token",
                        limit.toNanos(),
                        () -> post(() -> end(run, new LlmException(Reason.TIMEOUT, "no first token within " + limit))));
    }

    private void started(AttemptRun run, Generation generation) {
        run.generation = generation;
        if (isCurrent(run)) {
            run.outstanding = output.initialDemand();
            generation.request(run.outstanding);
        } else {
            run.cancelGeneration();
        }
    }

    void accepted(AttemptRun run, ResponseInfo info) {
        if (!isCurrent(run) || run.accepted || run.hasFirstToken()) {
            return; // a backend that says it twice, or late, does not break the order listeners rely on
        }
        run.accepted = true;
        AttemptListener tell = run.listener;
        if (tell != null) {
            userCode.execute(() -> tell.accepted(info));
        }
    }

    void alive(AttemptRun run) {
        if (isCurrent(run)) {
            run.lastActivityNanos = room.nanos();
        }
    }

    void chunk(AttemptRun run, CompletionChunk chunk) {
        if (!isCurrent(run)) {
            return;
        }
        if (run.outstanding == 0) {
            end(run, Failures.defect("the backend of endpoint " + run.member().id() + " sent more than was asked for"));
            return;
        }
        long now = room.nanos();
        run.lastActivityNanos = now;
        chunk.usage().ifPresent(usage -> run.usage = usage);
        if (chunk.hasOutput()) {
            run.lastTokenNanos = now;
            if (run.outputChunks++ == 0) {
                firstToken(run, now);
            }
        }
        output.chunk(chunk);
        if (run.outstanding != Integer.MAX_VALUE && --run.outstanding == 0) {
            armStall(run);
        }
    }

    private void firstToken(AttemptRun run, long now) {
        run.firstTokenNanos = now;
        timeToFirstTokenNanos = now - startNanos;
        AttemptRun.cancel(run.firstTokenTimer);
        run.firstTokenTimer = null;
        armIdle(run, room.settings().idleTimeout().toNanos());
        tellPolicy(run, new AttemptEvent.FirstToken(id, run.number, run.member(), now));
        AttemptListener tell = run.listener;
        if (tell != null) {
            userCode.execute(tell::firstToken);
        }
    }

    private void armIdle(AttemptRun run, long delayNanos) {
        run.idleTimer = room.scheduler().schedule("idle", delayNanos, () -> post(() -> checkIdle(run)));
    }

    /** One timer follows the stream lazily, instead of one set anew for each chunk. */
    private void checkIdle(AttemptRun run) {
        if (!isCurrent(run)) {
            return;
        }
        Duration limit = room.settings().idleTimeout();
        long left = run.lastActivityNanos + limit.toNanos() - room.nanos();
        if (run.outstanding == 0) {
            run.idleTimer = null; // the reader pauses the stream; demand arms it again
        } else if (left > 0) {
            armIdle(run, left);
        } else {
            end(run, new LlmException(Reason.TIMEOUT, "the stream was silent for " + limit));
        }
    }

    private void armStall(AttemptRun run) {
        Duration limit = room.settings().readerStallTimeout();
        run.stallTimer = room.scheduler()
                .schedule(
                        "reader stall",
                        limit.toNanos(),
                        () -> post(() -> {
                            if (isCurrent(run) && run.outstanding == 0) {
                                fail(new LlmException(Reason.READER_STALLED, "the stream was not read for " + limit));
                            }
                        }));
    }

    private void demanded(int chunks) {
        AttemptRun run = current;
        if (run == null || run.generation == null) {
            return;
        }
        AttemptRun.cancel(run.stallTimer);
        run.stallTimer = null;
        run.outstanding += chunks;
        run.lastActivityNanos = room.nanos();
        if (run.hasFirstToken() && run.idleTimer == null) {
            armIdle(run, room.settings().idleTimeout().toNanos());
        }
        run.generation.request(chunks);
    }

    void embeddings(AttemptRun run, Embeddings embeddings) {
        if (isCurrent(run)) {
            embeddings.usage().ifPresent(usage -> run.usage = usage);
            output.embeddings(embeddings);
        }
    }

    void completed(AttemptRun run) {
        if (isCurrent(run)) {
            finish(run, AttemptSummary.Outcome.COMPLETED, null);
            end(CallEnd.Outcome.COMPLETED, null, run);
        }
    }

    /** The backend says that the attempt failed. */
    void failed(AttemptRun run, LlmException cause) {
        if (isCurrent(run)) {
            run.generation = null; // has ended by itself
            end(run, cause);
        }
    }

    /** Ends the current attempt with a failure, and the call too unless it may go on elsewhere. */
    private void end(AttemptRun run, LlmException cause) {
        if (!isCurrent(run)) {
            return;
        }
        finish(run, AttemptSummary.Outcome.FAILED, cause);
        lastFailure = cause;
        tried.add(run.member());
        if (mustNotComeBack(cause.reason())) {
            barred.add(run.member());
        }
        if (cause.retryable()
                && options.retryable()
                && attempts.size() < BalancedLlm.MAX_ATTEMPTS
                && output.discard()) {
            phase = Phase.PICKING;
            timeToFirstTokenNanos = -1; // that token went with the rest
            userCode.execute(this::route);
        } else {
            end(CallEnd.Outcome.FAILED, cause, run);
        }
    }

    /** An endpoint that asks for a pause or refuses the key is not asked again by the same call. */
    private static boolean mustNotComeBack(Reason reason) {
        return reason == Reason.RATE_LIMITED || reason == Reason.OVERLOADED || reason == Reason.UNAUTHORIZED;
    }

    /** Ends the call with a failure that is not to be retried, whatever it is doing. */
    private void fail(LlmException failure) {
        if (phase == Phase.ENDED) {
            return;
        }
        AttemptRun run = current;
        if (run != null) {
            finish(run, AttemptSummary.Outcome.CANCELLED, null);
        }
        end(failure.reason() == Reason.CANCELLED ? CallEnd.Outcome.CANCELLED : CallEnd.Outcome.FAILED, failure, run);
    }

    /** Ends an attempt: once, with everything that hangs on it. */
    private void finish(AttemptRun run, AttemptSummary.Outcome outcome, @Nullable LlmException failure) {
        long now = room.nanos();
        current = null;
        run.over = true;
        run.cancelTimers();
        run.lease.release();
        if (outcome != AttemptSummary.Outcome.COMPLETED) {
            run.cancelGeneration();
        }
        AttemptSummary summary = new AttemptSummary(
                run.number,
                run.member().id(),
                outcome,
                failure == null ? null : failure.reason(),
                failure == null ? "" : failure.message(),
                Duration.ofNanos(now - run.dispatchedNanos));
        attempts.add(summary);
        run.member()
                .recorder()
                .attemptEnded(
                        outcome,
                        failure == null ? null : failure.reason(),
                        run.timeToFirstToken(),
                        run.timePerOutputToken());
        tellPolicy(run, new AttemptEvent.Ended(id, run.number, run.member(), now, summary, run.usage));
        AttemptListener tell = run.listener;
        if (tell != null) {
            userCode.execute(() -> tell.ended(summary));
        }
    }

    private void end(CallEnd.Outcome outcome, @Nullable LlmException failure, @Nullable AttemptRun run) {
        boolean picking = phase == Phase.PICKING;
        if (phase == Phase.WAITING) {
            room.line().remove(this);
            waitedNanos = Math.max(0, waitedNanos) + room.nanos() - waitingSince;
        }
        long duration = room.nanos() - startNanos;
        DecisionRecord decision = decision(duration);
        LlmException told = failure == null ? null : Failures.ofCall(failure, attempts, output.partialText());
        // What may throw comes before the point of no return, so that a defect can still end the call.
        Runnable handOver = told == null ? output.completed(decision) : () -> output.failed(told, decision);
        phase = Phase.ENDED;
        ended = true;
        AttemptRun.cancel(deadlineTimer);
        if (waitedNanos >= 0) {
            room.statistics().waited(waitedNanos);
        }
        room.statistics().callEnded(outcome, told == null ? null : told.reason(), timeToFirstTokenNanos, duration);
        pendingEnd = new CallEnd(outcome, told, run == null ? null : run.usage, decision);
        handOver.run();
        // A pick that is under way may still tell of an attempt; the end has to be told after it.
        if (!picking) {
            closeBooks();
        }
    }

    private void closeBooks() {
        CallListener tell = listener;
        CallEnd end = pendingEnd;
        if (tell == null || end == null) {
            room.leave(this);
        } else {
            userCode.execute(() -> {
                tell.ended(end);
                room.leave(this);
            });
        }
    }

    private DecisionRecord decision(long durationNanos) {
        Router.Route route = lastRoute;
        return new DecisionRecord(
                id,
                route == null
                        ? room.router().inUse().description()
                        : route.policy().description(),
                attempts.isEmpty() ? "" : attempts.get(attempts.size() - 1).endpoint(),
                route == null ? List.of() : route.candidates(),
                attempts,
                Duration.ofNanos(Math.max(0, waitedNanos)),
                timeToFirstTokenNanos < 0 ? null : Duration.ofNanos(timeToFirstTokenNanos),
                Duration.ofNanos(durationNanos));
    }

    private boolean isCurrent(AttemptRun run) {
        return run.equals(current);
    }

    private void tellPolicy(AttemptRun run, AttemptEvent event) {
        if (run.policy.observes()) {
            userCode.execute(() -> {
                try {
                    run.policy.policy().observe(event);
                } catch (Throwable e) {
                    LOG.warn("the routing policy {} failed to observe {}", run.policy.description(), event, e);
                }
            });
        }
    }

    private void defect(Throwable e) {
        LOG.error("call {} failed inside", id, e);
        fail(Failures.defect("call " + id + " failed inside: " + e, e));
    }

    @Override
    public String toString() {
        return "Call{" + id + "}";
    }
}
