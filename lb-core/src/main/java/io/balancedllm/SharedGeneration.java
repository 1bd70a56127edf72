/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.CompletionCache;
import io.balancedllm.cache.ExactCache;
import io.balancedllm.cache.SingleFlight;
import io.balancedllm.cache.StoredAnswer;
import io.balancedllm.completion.CacheControl;
import io.balancedllm.completion.CacheOutcome;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where the answer of a flight comes from: the cache that looks up by meaning, or a {@link Call} of its own, which is in
 * nobody's hands but the flight's. Whoever leads may be gone by then.
 */
final class SharedGeneration implements SingleFlight.Upstream {
    /** How long a lookup by meaning may hold a call up; a cache should have a shorter limit of its own. */
    static final Duration LOOKUP_TIMEOUT = Duration.ofSeconds(2);

    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private final EngineRoom room;
    private final CacheStage stage;
    private final SharedCall.Terms terms;
    private final SingleFlight.Feed feed;
    private final CallRecord record;
    private final CallPrompt prompt;
    private final FeedOutput output;
    private final Executor userCode;
    private final long askedIn;

    /** Guards what follows. */
    private final ReentrantLock lock = new ReentrantLock();

    private @Nullable Call call;
    private @Nullable PendingLookup lookup;
    private boolean over;
    private volatile long deadlineNanos = SingleFlight.NO_DEADLINE;

    SharedGeneration(
            EngineRoom room,
            CacheStage stage,
            SharedCall leader,
            SingleFlight.Feed feed,
            CallRecord record,
            CallPrompt prompt) {
        this.room = room;
        this.stage = stage;
        this.terms = leader.terms();
        this.feed = feed;
        this.record = record;
        this.prompt = prompt;
        this.output = new FeedOutput(terms.work().operation(), feed);
        this.userCode = record.userCode();
        this.askedIn = stage.epoch();
        this.deadlineNanos = leader.deadlineNanos();
    }

    /** {@return how the generation went, once its call has ended} */
    @Nullable
    DecisionRecord decision() {
        return output.decision();
    }

    /** Begins; with the answer to an equal request, it is that. */
    void begin(ExactCache.@Nullable Found stored) {
        feed.started(this);
        if (stored != null) {
            replay(stored.answer(), new CacheOutcome.Exact(stored.age()));
        } else {
            userCode.execute(this::find);
        }
    }

    /** An equal call may have ended between this one's look into the exact cache and its start. */
    private void find() {
        Optional<ExactCache.Found> stored = stage.find(terms);
        CompletionCache semantic = stage.semantic(terms);
        if (isOver()) {
            ended();
        } else if (stored.isPresent()) {
            replay(stored.get().answer(), new CacheOutcome.Exact(stored.get().age()));
        } else if (semantic != null) {
            lookUp(semantic);
        } else {
            generate(
                    terms.mode() == CacheControl.Mode.REFRESH
                            ? new CacheOutcome.Bypass("refresh")
                            : new CacheOutcome.Miss(),
                    null);
        }
    }

    private void lookUp(CompletionCache semantic) {
        PendingLookup pending = new PendingLookup();
        lock.lock();
        try {
            lookup = pending;
        } finally {
            lock.unlock();
        }
        if (isOver() && pending.end()) {
            ended();
            return;
        }
        pending.limit(room.scheduler().schedule("cache lookup", LOOKUP_TIMEOUT.toNanos(), () -> {
            if (pending.end()) {
                userCode.execute(() -> generate(new CacheOutcome.Bypass("cache late"), null));
            }
        }));
        CompletionStage<CacheLookup> answer;
        try {
            answer = semantic.lookup(terms.key(), terms.work().request());
        } catch (RuntimeException | LinkageError e) {
            answer = CompletableFuture.failedStage(e);
        }
        CompletionStage<CacheLookup> unused = answer.whenComplete((found, failure) -> {
            if (pending.end()) {
                userCode.execute(() -> looked(found, failure));
            }
        });
    }

    /** A lookup that is waited for until somebody ends that, once: its answer, its time, or that nobody wants it. */
    private static final class PendingLookup {
        private final AtomicBoolean over = new AtomicBoolean();
        private volatile Scheduler.@Nullable Timer limit;

        void limit(Scheduler.Timer timer) {
            limit = timer;
            if (over.get()) {
                timer.cancel();
            }
        }

        boolean end() {
            boolean first = over.compareAndSet(false, true);
            AttemptTimers.cancel(limit);
            return first;
        }
    }

    private void looked(@Nullable CacheLookup found, @Nullable Throwable failure) {
        if (found instanceof CacheLookup.Hit hit) {
            hit.audit().ifPresent(audit -> stage.audits().start(terms, audit));
            replay(hit.answer(), hit.outcome());
        } else if (found instanceof CacheLookup.Miss miss) {
            generate(miss.outcome(), miss);
        } else {
            LOG.warn("a cache lookup failed, an endpoint answers: {}", String.valueOf(failure));
            generate(new CacheOutcome.Bypass("cache failed"), null);
        }
    }

    /** Feeds a stored answer in; those who share it take it at their own pace. */
    private void replay(StoredAnswer answer, CacheOutcome outcome) {
        record.cache(outcome);
        if (!isOver()) {
            answer.chunks().forEach(feed::chunk);
            feed.completed(record.decision());
        }
        ended();
    }

    private void generate(CacheOutcome outcome, CacheLookup.@Nullable Miss miss) {
        record.cache(outcome);
        output.onWhole(answer -> {
            stage.storeExact(terms.key(), answer, askedIn); // before anybody who got it can ask again
            if (miss != null) {
                userCode.execute(() -> stage.storeSemantic(terms.key(), miss, answer, askedIn));
            }
        });
        Call made = null;
        lock.lock();
        try {
            if (!over) {
                made = new Call(
                        room,
                        terms.work(),
                        terms.options(),
                        output,
                        terms.streaming(),
                        new Call.Shared(record, prompt, deadlineNanos));
                call = made;
            }
        } finally {
            lock.unlock();
        }
        if (made == null) {
            ended();
        } else {
            made.start();
        }
    }

    /** Ends where no call was made, or where none is needed. */
    private void ended() {
        record.generationEnded();
    }

    private boolean isOver() {
        lock.lock();
        try {
            return over;
        } finally {
            lock.unlock();
        }
    }

    // ---- from the flight ----

    @Override
    public void request(int chunks) {
        Call running;
        lock.lock();
        try {
            running = call;
            if (running == null) {
                output.granted(chunks);
            }
        } finally {
            lock.unlock();
        }
        if (running != null) {
            running.demand(chunks);
        }
    }

    @Override
    public void cancel() {
        Call running;
        PendingLookup pending;
        lock.lock();
        try {
            over = true;
            running = call;
            pending = lookup;
        } finally {
            lock.unlock();
        }
        if (pending != null && pending.end()) {
            ended(); // what it finds is nobody's
        } else if (running != null) {
            boolean late = deadlineNanos != SingleFlight.NO_DEADLINE && deadlineNanos - room.nanos() <= 0;
            running.abort(
                    late
                            ? new LlmException(Reason.DEADLINE_EXCEEDED, "the timeout of every caller passed")
                            : new LlmException(Reason.CANCELLED, "nobody wants the answer any more"));
        }
    }

    @Override
    public void deadline(long nanos) {
        Call running;
        lock.lock();
        try {
            deadlineNanos = nanos;
            running = call;
        } finally {
            lock.unlock();
        }
        if (running != null) {
            running.patience().deadline(nanos);
        }
    }
}
