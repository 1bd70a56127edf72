/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.cache.CacheKey;
import io.balancedllm.cache.ExactCache;
import io.balancedllm.cache.SingleFlight;
import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Usage;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The caller's side of a call that may share its answer with others: it is answered from the exact cache, or takes a seat
 * in a {@link SharedGeneration}, its own or that of an equal call. It ends by itself, at its answer, its deadline or its
 * caller's wish, whatever becomes of the generation; listeners are told the end once the generation that it led has ended
 * too, so that no attempt is told after the end.
 */
final class SharedCall implements Ongoing, SingleFlight.Caller {
    /** What is asked, for whom and how. */
    record Terms(Work.OfCompletion work, CallOptions options, CacheKey key, boolean streaming) {
        CacheControl.Mode mode() {
            return options.cache().mode();
        }
    }

    private final EngineRoom room;
    private final CacheStage stage;
    private final Terms terms;
    private final Output output;
    private final CallRecord record;
    private final CallPrompt prompt;

    /** Guards what follows, and the output while the call has not ended. The flight is never called with it held. */
    private final ReentrantLock lock = new ReentrantLock();

    private SingleFlight.@Nullable Seat seat;
    /** Chunks the reader asked for before there was a seat. */
    private int asked;

    private int outstanding;
    private Scheduler.@Nullable Timer deadline;
    private Scheduler.@Nullable Timer stall;
    private @Nullable Usage usage;
    private ExactCache.@Nullable Found found;
    private @Nullable SharedGeneration generation;
    private boolean generating;
    private boolean toldLater;
    private volatile boolean ended;

    SharedCall(EngineRoom room, CacheStage stage, Terms terms, Output output, CallRecord record) {
        this.room = room;
        this.stage = stage;
        this.terms = terms;
        this.output = output;
        this.record = record;
        this.prompt = new CallPrompt(room.load(), terms.work(), terms.options());
        this.outstanding = output.initialDemand();
        record.cache(new CacheOutcome.Miss()); // until more is known
    }

    @Override
    public String id() {
        return record.id();
    }

    @Override
    public Operation operation() {
        return terms.work().operation();
    }

    Terms terms() {
        return terms;
    }

    /** A call that is never made: what is placed is the prompt, which the generation will have. */
    @Override
    public Call placeable() {
        return new Call(
                room,
                terms.work(),
                terms.options(),
                output,
                terms.streaming(),
                new Call.Shared(record, prompt, SingleFlight.NO_DEADLINE));
    }

    // ---- from outside: any thread ----

    @Override
    public void start() {
        record.started(new CallInfo(id(), operation(), terms.work().model(), terms.streaming(), terms.options()));
        if (!room.enter(this)) {
            failed(Failures.closed());
            return;
        }
        Optional<ExactCache.Found> stored = stage.find(terms);
        if (stored.isPresent() && output.whole(stored.get().answer().completion())) {
            usage = stored.get().answer().completion().usage().orElse(null);
            record.cache(new CacheOutcome.Exact(stored.get().age()));
            record.answered(room.nanos());
            completed(record.decision());
            return;
        }
        found = stored.orElse(null);
        terms.options().timeout().ifPresent(this::armDeadline);
        int demand = outstanding;
        take(
                stored.isPresent()
                        ? stage.boardAlone(this, demand, deadlineNanos())
                        : stage.board(this, terms, demand, deadlineNanos()));
    }

    long deadlineNanos() {
        return terms.options()
                .timeout()
                .map(timeout -> record.startNanos() + timeout.toNanos())
                .orElse(SingleFlight.NO_DEADLINE);
    }

    private void take(SingleFlight.Seat taken) {
        int more;
        lock.lock();
        try {
            seat = taken;
            more = asked;
            if (generation == null) {
                record.cache(new CacheOutcome.Joined());
            }
        } finally {
            lock.unlock();
        }
        if (ended) {
            taken.leave();
        } else if (more > 0) {
            taken.request(more);
        }
    }

    private void armDeadline(Duration timeout) {
        Scheduler.Timer timer = room.scheduler()
                .schedule(
                        "deadline",
                        timeout.toNanos(),
                        () -> abort(new LlmException(
                                Reason.DEADLINE_EXCEEDED, "the call's timeout of " + timeout + " passed")));
        lock.lock();
        try {
            deadline = timer;
            if (ended) {
                timer.cancel();
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void demand(int chunks) {
        SingleFlight.Seat taken;
        lock.lock();
        try {
            AttemptTimers.cancel(stall);
            stall = null;
            outstanding += chunks;
            taken = seat;
            asked += taken == null ? chunks : 0;
        } finally {
            lock.unlock();
        }
        if (taken != null) {
            taken.request(chunks);
        }
    }

    @Override
    public void cancel(String why) {
        if (!ended) {
            abort(new LlmException(Reason.CANCELLED, why));
        }
    }

    @Override
    public void abort(LlmException failure) {
        int maxAttempts = room.resilience().retry().maxAttempts();
        if (fail(Failures.ofCall(failure, List.of(), maxAttempts, ""))) {
            SingleFlight.Seat taken;
            lock.lock();
            try {
                taken = seat;
            } finally {
                lock.unlock();
            }
            if (taken != null) {
                taken.leave();
            }
        }
    }

    // ---- from the flight ----

    @Override
    public void lead(SingleFlight.Feed feed) {
        SharedGeneration led;
        ExactCache.Found stored;
        lock.lock();
        try {
            boolean told = ended && !toldLater;
            generating = !told;
            led = new SharedGeneration(
                    room,
                    stage,
                    this,
                    feed,
                    told ? record.ofOrphan() : record.ofGeneration(this::generationEnded),
                    prompt);
            generation = led;
            stored = found;
        } finally {
            lock.unlock();
        }
        led.begin(stored);
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        lock.lock();
        try {
            if (ended) {
                return;
            }
            CompletionChunk given = generation == null ? StoredAnswer.reused(chunk) : chunk;
            given.usage().ifPresent(counts -> usage = counts);
            if (given.hasOutput()) {
                record.answered(room.nanos());
            }
            output.chunk(given);
            if (outstanding != Integer.MAX_VALUE && --outstanding == 0) {
                armStall();
            }
        } finally {
            lock.unlock();
        }
    }

    /** The reader has all it asked for: from now on it is the one who is late. */
    private void armStall() {
        Duration limit = room.settings().readerStallTimeout();
        AttemptTimers.cancel(stall);
        stall = room.scheduler()
                .schedule(
                        "reader stall",
                        limit.toNanos(),
                        () -> abort(new LlmException(Reason.READER_STALLED, "the stream was not read for " + limit)));
    }

    @Override
    public boolean discard() {
        lock.lock();
        try {
            if (ended) {
                return true;
            }
            boolean forgotten = output.discard();
            if (forgotten) {
                record.discarded();
                usage = null;
            }
            return forgotten;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public boolean delivered() {
        return output.delivered();
    }

    @Override
    public void completed(DecisionRecord made) {
        DecisionRecord decision;
        Runnable handOver;
        lock.lock();
        try {
            if (ended) {
                return;
            }
            decision = record.decision(made, generation != null);
            handOver = whole(decision);
            ended = handOver != null;
        } finally {
            lock.unlock();
        }
        if (handOver != null) {
            finish(CallEnd.Outcome.COMPLETED, null, decision, handOver);
        }
    }

    /** Null when what was taken makes no answer: then nothing has been handed over, and the call fails. */
    private @Nullable Runnable whole(DecisionRecord decision) {
        try {
            return output.completed(decision);
        } catch (RuntimeException e) {
            LlmException failure = e instanceof LlmException typed
                    ? typed
                    : Failures.defect("call " + id() + " failed inside: " + e, e);
            record.userCode().execute(() -> fail(failure));
            return null;
        }
    }

    @Override
    public void failed(LlmException cause) {
        fail(cause);
    }

    private boolean fail(LlmException cause) {
        LlmException told;
        DecisionRecord made;
        lock.lock();
        try {
            if (ended) {
                return false;
            }
            ended = true;
            told = cause.newBuilder().partialText(output.partialText()).build();
            made = generation == null ? null : generation.decision();
        } finally {
            lock.unlock();
        }
        DecisionRecord decision = made == null ? record.decision() : record.decision(made, true);
        CallEnd.Outcome outcome =
                cause.reason() == Reason.CANCELLED ? CallEnd.Outcome.CANCELLED : CallEnd.Outcome.FAILED;
        finish(outcome, told, decision, () -> output.failed(told, decision));
        return true;
    }

    // ---- the end: on the thread that made it end, once ----

    private void finish(
            CallEnd.Outcome outcome, @Nullable LlmException failure, DecisionRecord decision, Runnable handOver) {
        boolean later;
        lock.lock();
        try {
            AttemptTimers.cancel(deadline);
            AttemptTimers.cancel(stall);
        } finally {
            lock.unlock();
        }
        record.ended(outcome, failure, usage, decision);
        handOver.run();
        lock.lock();
        try {
            later = generating;
            toldLater = later;
        } finally {
            lock.unlock();
        }
        if (!later) {
            record.close(this);
        }
    }

    /** The generation that this call led has ended, and its attempts were told. */
    private void generationEnded() {
        boolean now;
        lock.lock();
        try {
            generating = false;
            now = toldLater;
        } finally {
            lock.unlock();
        }
        if (now) {
            record.close(this);
        }
    }

    @Override
    public String toString() {
        return "SharedCall{" + id() + "}";
    }
}
