/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.AttemptSummary;
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

    CallRecord(EngineRoom room, String id, Executor userCode) {
        this.room = room;
        this.id = id;
        this.userCode = userCode;
        this.startNanos = room.nanos();
    }

    long startNanos() {
        return startNanos;
    }

    /** {@return the attempts that have ended, in the order they did} */
    List<AttemptSummary> attempts() {
        return attempts;
    }

    void started(CallInfo info) {
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
                Duration.ofNanos(room.nanos() - startNanos));
    }

    void ended(
            CallEnd.Outcome outcome, @Nullable LlmException failure, @Nullable Usage usage, DecisionRecord decision) {
        if (waitedNanos >= 0) {
            room.statistics().waited(waitedNanos);
        }
        room.statistics()
                .callEnded(
                        outcome,
                        failure == null ? null : failure.reason(),
                        timeToFirstTokenNanos,
                        decision.duration().toNanos());
        pendingEnd = new CallEnd(outcome, failure, usage, decision);
    }

    /** Tells listeners of the end; nothing is told after it. Then the call leaves the room. */
    void close(Call call) {
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
