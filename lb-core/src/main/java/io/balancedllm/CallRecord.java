/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.ResponseInfo;
import io.balancedllm.event.AttemptInfo;
import io.balancedllm.event.AttemptListener;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.event.CallListener;
import io.balancedllm.event.HeaderSink;
import io.balancedllm.routing.AttemptEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is written down of one call, and who is told: statistics, listeners, the routing policy and the decision record.
 * Decides nothing. Touched by messages of the call only, but for {@link #started} and {@link #attemptStarted}; tells in
 * user code, in order.
 *
 * <p>A generation that a call leads for others as well has a record of its own, which tells the same listeners of its
 * attempts and leaves start and end to the record of the call.
 */
final class CallRecord {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final EngineRoom room;
    private final String id;
    private final Executor userCode;
    private final long startNanos;
    private final List<AttemptSummary> attempts = new ArrayList<>(1);
    private int dispatched;
    private @Nullable CallListener listener;
    private Router.@Nullable Route lastRoute;
    private long waitingSince;
    private long waitedNanos = -1;
    private long timeToFirstTokenNanos = -1;
    private @Nullable CallEnd pendingEnd;
    private volatile CacheOutcome cache = CacheOutcome.Bypass.OFF;
    /** What a generation runs when it has ended; null for a call. */
    private final @Nullable Runnable whenEnded;

    CallRecord(EngineRoom room) {
        this.room = room;
        this.id = room.nextCallId();
        this.userCode = new SerialExecutor(room.loop());
        this.startNanos = room.nanos();
        this.whenEnded = null;
    }

    private CallRecord(CallRecord call, @Nullable CallListener listener, Runnable whenEnded) {
        this.room = call.room;
        this.id = call.id;
        this.userCode = call.userCode;
        this.startNanos = call.startNanos;
        this.listener = listener;
        this.whenEnded = whenEnded;
    }

    /**
     * {@return the record of a generation this call leads}
     *
     * @param ended what to run, where user code runs, when all its attempts were told
     */
    CallRecord ofGeneration(Runnable ended) {
        return new CallRecord(this, listener, ended);
    }

    /** {@return the record of a generation that goes on although the end of this call was told} */
    CallRecord ofOrphan() {
        return new CallRecord(this, null, () -> {});
    }

    String id() {
        return id;
    }

    Executor userCode() {
        return userCode;
    }

    /** Says what the cache did. */
    void cache(CacheOutcome outcome) {
        cache = outcome;
    }

    /** The caller is given the first output. */
    void answered(long now) {
        if (timeToFirstTokenNanos < 0) {
            timeToFirstTokenNanos = now - startNanos;
        }
    }

    long startNanos() {
        return startNanos;
    }

    /** {@return the attempts that have ended, in the order they did} */
    List<AttemptSummary> attempts() {
        return attempts;
    }

    void started(CallInfo info) {
        if (whenEnded != null) {
            return;
        }
        listener = CallListeners.of(room.listeners(), info);
        room.statistics().callStarted();
    }

    void waiting() {
        waitingSince = room.nanos();
        CallListener tell = listener;
        if (tell != null) {
            userCode.execute(tell::waiting);
        }
    }

    void waited() {
        waitedNanos = Math.max(0, waitedNanos) + room.nanos() - waitingSince;
    }

    /** Tells listeners of an attempt that is to begin; where user code may run. */
    @Nullable
    AttemptListener attemptStarted(int number, PoolMember member, Router.InUse policy, HeaderSink headers) {
        CallListener tell = listener;
        return tell == null
                ? null
                : tell.attemptStarted(new AttemptInfo(id, number, member.id(), policy.description()), headers);
    }

    /** {@return how many attempts were begun} */
    int attemptsMade() {
        return dispatched;
    }

    void dispatched(AttemptRun run, Router.Route route) {
        dispatched++;
        lastRoute = route;
        run.member().recorder().attemptStarted(run.number);
        tellPolicy(
                run,
                new AttemptEvent.Dispatched(
                        id,
                        run.number,
                        run.member(),
                        run.dispatchedNanos,
                        run.lease.promptTokens(),
                        run.lease.cachedTokens()));
    }

    void accepted(AttemptRun run, ResponseInfo info) {
        AttemptListener tell = run.listener;
        if (tell != null) {
            userCode.execute(() -> tell.accepted(info));
        }
    }

    void firstToken(AttemptRun run, long now) {
        timeToFirstTokenNanos = now - startNanos;
        tellPolicy(run, new AttemptEvent.FirstToken(id, run.number, run.member(), now, now - run.dispatchedNanos));
        AttemptListener tell = run.listener;
        if (tell != null) {
            userCode.execute(tell::firstToken);
        }
    }

    /** What had come of the answer is discarded, its first token with it. */
    void discarded() {
        timeToFirstTokenNanos = -1;
    }

    void attemptEnded(AttemptRun run, AttemptSummary.Outcome outcome, @Nullable LlmException failure) {
        long now = room.nanos();
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

    DecisionRecord decision() {
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
                Duration.ofNanos(room.nanos() - startNanos),
                cache);
    }

    /**
     * {@return the record of a call that was given the answer of a generation}
     *
     * @param made how the generation was made
     * @param led whether this call led it
     */
    DecisionRecord decision(DecisionRecord made, boolean led) {
        return new DecisionRecord(
                id,
                made.policy(),
                made.endpoint(),
                led ? made.candidates() : List.of(),
                led ? made.attempts() : List.of(),
                led ? made.waited() : Duration.ZERO,
                timeToFirstTokenNanos < 0 ? null : Duration.ofNanos(timeToFirstTokenNanos),
                Duration.ofNanos(room.nanos() - startNanos),
                led || made.cache().reused() ? made.cache() : new CacheOutcome.Joined());
    }

    void ended(
            CallEnd.Outcome outcome, @Nullable LlmException failure, @Nullable Usage usage, DecisionRecord decision) {
        if (waitedNanos >= 0) {
            room.statistics().waited(waitedNanos);
        }
        if (whenEnded != null) {
            return;
        }
        room.statistics().cached(decision.cache());
        room.statistics()
                .callEnded(
                        outcome,
                        failure == null ? null : failure.reason(),
                        timeToFirstTokenNanos,
                        decision.duration().toNanos());
        pendingEnd = new CallEnd(outcome, failure, usage, decision);
    }

    /** Tells listeners of the end; nothing is told after it. Then the call leaves the room. */
    void close(Ongoing call) {
        if (whenEnded != null) {
            generationEnded();
            room.leave(call);
            return;
        }
        CallListener tell = listener;
        CallEnd end = pendingEnd;
        if (tell == null || end == null) {
            room.leave(call);
        } else {
            userCode.execute(() -> {
                tell.ended(end);
                room.leave(call);
            });
        }
    }

    /** All that there was to tell of a generation is told. */
    void generationEnded() {
        Runnable then = whenEnded;
        if (then != null) {
            userCode.execute(then);
        }
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
}
