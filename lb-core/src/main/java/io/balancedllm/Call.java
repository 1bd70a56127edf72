/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.event.CallEnd;
import io.balancedllm.event.CallInfo;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The life of one request, as a state machine that owns no thread and makes no timed wait. Its state is touched by
 * messages only (chunks, ends, timers, cancels, admissions), which run one at a time on whatever thread brings them; so
 * messages never run user code. What does is {@link Dispatch}; one pick is under way at a time.
 *
 * <pre>{@code
 * PICKING -> RUNNING                          an endpoint had room
 * PICKING -> WAITING -> PICKING -> RUNNING    none had; admitted from the line
 * RUNNING -> RUNNING                          hedged: a second attempt joins the first, until one of them has a token
 * RUNNING -> PICKING                          the last attempt failed, nothing was delivered, another try is allowed
 * RUNNING -> PAUSED -> PICKING                so, but the budget is empty or the endpoint needs a pause
 * any     -> ENDED                            completed, failed, cancelled: once
 * }</pre>
 */
final class Call implements Ongoing {
    private static final Logger LOG = LoggerFactory.getLogger(BalancedLlm.class);

    private enum Phase {
        PICKING,
        WAITING,
        RUNNING,
        PAUSED,
        ENDED
    }

    /**
     * What a call is made with that generates for several callers: it ends when none of them wants it any more, and keeps
     * no deadline.
     *
     * @param record tells of its attempts
     * @param prompt of the call that leads
     * @param deadlineNanos until when the most patient caller waits
     */
    record Shared(CallRecord record, CallPrompt prompt, long deadlineNanos) {}

    private final EngineRoom room;
    private final String id;
    private final Work work;
    private final CallOptions options;
    private final CallPrompt prompt;
    private final Output output;
    private final boolean streaming;
    private final Mailbox mailbox = new Mailbox(this::defect);
    private final boolean shared;
    private final Executor userCode;
    private final CallRecord record;
    private final Patience patience;
    private final Race race;
    private final Retries retries;
    private final Fare fare;
    private final Hedges hedges;
    private final Dispatch dispatch;
    private final Admission admission;
    private final Reception reception;
    private final Repetition repetition;

    private Phase phase = Phase.PICKING;
    /** Whether the phase is ENDED, for readers outside of messages. */
    private volatile boolean ended;

    Call(EngineRoom room, Work work, CallOptions options, Output output, boolean streaming) {
        this(room, work, options, output, streaming, new CallRecord(room));
    }

    Call(EngineRoom room, Work work, CallOptions options, Output output, boolean streaming, CallRecord record) {
        this(room, work, options, output, streaming, record, new CallPrompt(room.load(), work, options), false);
        options.timeout().ifPresent(timeout -> patience.deadline(record.startNanos() + timeout.toNanos()));
    }

    /** A generation for several callers. */
    Call(EngineRoom room, Work work, CallOptions options, Output output, boolean streaming, Shared shared) {
        this(room, work, options, output, streaming, shared.record(), shared.prompt(), true);
        patience.deadline(shared.deadlineNanos());
    }

    private Call(
            EngineRoom room,
            Work work,
            CallOptions options,
            Output output,
            boolean streaming,
            CallRecord record,
            CallPrompt prompt,
            boolean shared) {
        this.room = room;
        this.id = record.id();
        this.work = work;
        this.options = options;
        this.prompt = prompt;
        this.output = output;
        this.streaming = streaming;
        this.shared = shared;
        this.userCode = record.userCode();
        this.record = record;
        this.patience = new Patience(room, this, record.startNanos());
        this.race = new Race(output);
        this.retries = new Retries(room);
        this.fare = new Fare(room.budget(), this);
        this.hedges = new Hedges(room, this, race, fare);
        this.dispatch = new Dispatch(room, this, record);
        this.admission = new Admission(room, this, patience, dispatch, record);
        this.reception = new Reception(room, this, streaming, output, race, hedges, record);
        this.repetition = new Repetition(room, this, patience, output, retries, fare, hedges, record);
    }

    @Override
    public String id() {
        return id;
    }

    Work work() {
        return work;
    }

    @Override
    public Operation operation() {
        return work.operation();
    }

    CallOptions options() {
        return options;
    }

    CallPrompt prompt() {
        return prompt;
    }

    Patience patience() {
        return patience;
    }

    Admission admission() {
        return admission;
    }

    Reception reception() {
        return reception;
    }

    // Read where attempts are routed.

    int attemptsMade() {
        return dispatch.launches();
    }

    Tried tried() {
        return retries.tried();
    }

    int firstPool() {
        return retries.firstPool();
    }

    @Override
    public Call placeable() {
        return this;
    }

    // ---- from outside: any thread ----

    @Override
    public void start() {
        record.started(new CallInfo(id, operation(), work.model(), streaming, options));
        if (shared) {
            room.join(this);
        } else if (!room.enter(this)) {
            post(() -> routed(Failures.closed()));
            return;
        }
        room.budget().earn(record.startNanos());
        if (!shared) {
            options.timeout().ifPresent(patience::arm);
        }
        dispatch.route();
    }

    @Override
    public void cancel(String why) {
        if (!ended) { // most futures and streams are closed behind their end, and an exception is not cheap
            post(() -> fail(new LlmException(Reason.CANCELLED, why)));
        }
    }

    @Override
    public void abort(LlmException failure) {
        post(() -> fail(failure));
    }

    @Override
    public void demand(int chunks) {
        post(() -> {
            output.granted(chunks);
            reception.demanded(chunks);
        });
    }

    @Override
    public void evict(PoolMember member) {
        post(() -> {
            AttemptRun run = race.on(member);
            if (run != null) {
                evict(run);
            }
        });
    }

    private void evict(AttemptRun run) {
        end(run, new LlmException(Reason.UNAVAILABLE, "the endpoint was drained and its time is up"));
    }

    /** An attempt on an endpoint that is silent and answers no probe is hedged, unless something was delivered. */
    @Override
    public void suspected(PoolMember member) {
        post(() -> hedges.suspected(member));
    }

    void post(Runnable message) {
        mailbox.post(message);
    }

    // ---- messages about picks: one at a time, as all messages ----

    void routed(LlmException failure) {
        // With an earlier attempt, its failure tells more than that there is no other endpoint.
        LlmException earlier = retries.lastFailure();
        if (phase == Phase.ENDED) {
            closeAfterPick();
        } else {
            refused(earlier == null || failure.reason() == Reason.INTERNAL_ERROR ? failure : earlier);
        }
    }

    /** A pick has come to its end without an attempt, and with it the call. */
    void refused(LlmException failure) {
        phase = Phase.RUNNING;
        fail(failure);
    }

    /** The call ended while a pick was under way, which came to nothing. */
    void closeAfterPick() {
        fare.giveBack();
        record.close(this);
    }

    void launching(AttemptRun run, Router.Route route) {
        record.dispatched(run, route);
        run.begins(run.dispatchedNanos);
        fare.used();
        boolean late = hedges.picked() && !race.isEmpty() && !hedges.stillWanted();
        if (phase == Phase.ENDED || late) {
            finish(run, AttemptSummary.Outcome.CANCELLED, null);
            if (phase == Phase.ENDED) {
                record.close(this);
            }
            return;
        }
        phase = Phase.RUNNING;
        race.join(run);
        if (run.member().evicting()) {
            evict(run); // its lease is older than the drain, and the time was up before this message came
            return;
        }
        run.timers.dispatched();
        hedges.arm(run);
    }

    void started(AttemptRun run, Generation generation) {
        run.generation = generation;
        if (race.runs(run)) {
            run.outstanding = output.initialDemand();
            generation.request(run.outstanding);
        } else {
            run.cancelGeneration();
        }
    }

    // ---- messages of hedging ----

    /** {@return whether a second attempt beside the one that runs may be made, as far as the call is concerned} */
    boolean mayHedge(AttemptRun run) {
        return phase == Phase.RUNNING
                && race.leads(run)
                && !race.isOpen()
                && repetition.isAllowed()
                && !output.delivered();
    }

    /** Makes a second attempt, which is paid for. */
    void hedge(AttemptRun run) {
        retries.hedging(run);
        userCode.execute(dispatch::routeHedge);
    }

    /** There was no room for a second attempt. */
    void noHedge() {
        boolean wanted = hedges.picked();
        if (phase == Phase.ENDED) {
            closeAfterPick();
        } else if (phase == Phase.PICKING && wanted) {
            userCode.execute(
                    dispatch::route); // the first has failed meanwhile, and what was paid for is its repetition
        } else {
            fare.giveBack();
        }
    }

    // ---- messages of attempts; what they bring goes to the reception ----

    void completed(AttemptRun run) {
        if (race.runs(run) && reception.wins(run)) {
            finish(run, AttemptSummary.Outcome.COMPLETED, null);
            end(CallEnd.Outcome.COMPLETED, null, run);
        }
    }

    /** The backend says that the attempt failed. */
    void failed(AttemptRun run, LlmException cause) {
        if (race.runs(run)) {
            run.generation = null; // has ended by itself
            end(run, cause);
        }
    }

    // ---- where the call is between its attempts ----

    void picking() {
        phase = Phase.PICKING;
    }

    void waiting() {
        phase = Phase.WAITING;
    }

    void paused() {
        phase = Phase.PAUSED;
    }

    boolean isPaused() {
        return phase == Phase.PAUSED;
    }

    boolean hasEnded() {
        return phase == Phase.ENDED;
    }

    void pickAgain() {
        phase = Phase.PICKING;
        userCode.execute(dispatch::route);
    }

    // ---- ends ----

    /** Ends an attempt with a failure, and the call too unless it may go on elsewhere. */
    void end(AttemptRun run, LlmException cause) {
        if (!race.runs(run)) {
            return;
        }
        boolean led = race.leads(run);
        AttemptRun other = led ? race.rival() : race.leader();
        finish(run, AttemptSummary.Outcome.FAILED, cause);
        LlmException failure = retries.failed(run, run.model, cause);
        patience.renew();
        if (other == null) {
            if (!repetition.begin(failure)) {
                end(CallEnd.Outcome.FAILED, failure, run);
            }
        } else if (!failure.retryable() || (led && !output.discard())) {
            finish(other, AttemptSummary.Outcome.CANCELLED, null);
            end(CallEnd.Outcome.FAILED, failure, run);
        } else if (led) {
            record.discarded();
            race.promote();
        }
    }

    /** Ends the call with a failure that is not to be retried, whatever it is doing. */
    void fail(LlmException failure) {
        if (phase == Phase.ENDED) {
            return;
        }
        AttemptRun run = race.leader();
        AttemptRun rival = race.rival();
        if (rival != null) {
            finish(rival, AttemptSummary.Outcome.CANCELLED, null);
        }
        if (run != null) {
            finish(run, AttemptSummary.Outcome.CANCELLED, null);
        }
        end(failure.reason() == Reason.CANCELLED ? CallEnd.Outcome.CANCELLED : CallEnd.Outcome.FAILED, failure, run);
    }

    /** The one place where an attempt ends: once, with everything that hangs on it. */
    void finish(AttemptRun run, AttemptSummary.Outcome outcome, @Nullable LlmException failure) {
        hedges.ended(run);
        race.leave(run);
        run.ends(outcome, failure, room.nanos());
        record.attemptEnded(run, outcome, failure);
    }

    private void end(CallEnd.Outcome outcome, @Nullable LlmException failure, @Nullable AttemptRun run) {
        boolean picking = phase == Phase.PICKING || hedges.pickUnderWay();
        boolean waiting = phase == Phase.WAITING;
        if (waiting) {
            record.waited();
        }
        DecisionRecord decision = record.decision();
        int maxAttempts = room.resilience().retry().maxAttempts();
        LlmException told =
                failure == null ? null : Failures.ofCall(failure, record.attempts(), maxAttempts, output.partialText());
        // What may throw comes before the point of no return, so that a defect can still end the call.
        Runnable handOver = told == null ? output.completed(decision) : () -> output.failed(told, decision);
        phase = Phase.ENDED;
        ended = true;
        patience.end();
        repetition.cancel();
        hedges.disarm();
        fare.forget();
        if (waiting) {
            admission.leave();
        }
        if (!picking) {
            fare.giveBack();
        }
        record.ended(outcome, told, run == null ? null : run.usage, decision);
        handOver.run();
        // A pick that is under way may still tell of an attempt; the end has to be told after it.
        if (!picking) {
            record.close(this);
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
