/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.endpoint.ResponseInfo;

/**
 * Takes what the attempts of a call bring, decides which of two has won, and hands it to the call's output. Touched by
 * messages of the call only.
 */
final class Reception {
    private final EngineRoom room;
    private final Call call;
    private final boolean streaming;
    private final Output output;
    private final Race race;
    private final Hedges hedges;
    private final CallRecord record;

    Reception(
            EngineRoom room, Call call, boolean streaming, Output output, Race race, Hedges hedges, CallRecord record) {
        this.room = room;
        this.call = call;
        this.streaming = streaming;
        this.output = output;
        this.race = race;
        this.hedges = hedges;
        this.record = record;
    }

    void accepted(AttemptRun run, ResponseInfo info) {
        run.member().heard(room.nanos());
        if (!race.runs(run) || run.accepted || run.hasFirstToken()) {
            return; // a backend that says it twice, or late, does not break the order listeners rely on
        }
        run.accepted = true;
        record.accepted(run, info);
    }

    void alive(AttemptRun run) {
        run.member().heard(room.nanos());
        if (race.runs(run)) {
            run.timers.activity(room.nanos());
        }
    }

    void chunk(AttemptRun run, CompletionChunk chunk) {
        if (!race.runs(run)) {
            return;
        }
        if (run.outstanding == 0) {
            call.end(
                    run,
                    Failures.defect("the backend of endpoint " + run.member().id() + " sent more than was asked for"));
            return;
        }
        long now = room.nanos();
        run.member().heard(now);
        run.timers.activity(now);
        chunk.usage().ifPresent(usage -> run.usage = usage);
        if (chunk.hasOutput()) {
            if (!wins(run)) {
                return;
            }
            run.lastTokenNanos = now;
            if (run.outputChunks++ == 0) {
                firstToken(run, now);
            }
        }
        race.chunk(run, chunk);
        if (run.outstanding != Integer.MAX_VALUE && --run.outstanding == 0) {
            if (race.leads(run)) {
                run.timers.readerPaused();
            } else {
                lose(run); // nobody can take more from it, and it has shown nothing
            }
        }
    }

    /** The one place where an attempt has its first token. */
    private void firstToken(AttemptRun run, long now) {
        run.firstTokenNanos = now;
        run.lease.firstToken(now);
        run.timers.firstToken();
        hedges.disarm();
        if (streaming) {
            run.waitsNoMore();
        }
        record.firstToken(run, now);
        room.timeToFirstToken(run.timeToFirstToken());
        if (run.member().firstToken(run.timeToFirstToken())) {
            room.capacityChanged();
        }
    }

    void demanded(int chunks) {
        AttemptRun run = race.leader();
        if (run == null || run.generation == null) {
            return;
        }
        run.outstanding += chunks;
        run.timers.readerResumed(room.nanos());
        run.generation.request(chunks);
    }

    void embeddings(AttemptRun run, Embeddings embeddings) {
        if (race.runs(run) && wins(run)) {
            embeddings.usage().ifPresent(usage -> run.usage = usage);
            output.embeddings(embeddings);
        }
    }

    /** An attempt has something to show. False when it comes too late for the race it is in. */
    boolean wins(AttemptRun run) {
        if (!race.isOpen()) {
            return true;
        }
        AttemptRun leader = race.leader();
        AttemptRun rival = race.rival();
        if (leader == null || rival == null || race.leads(run)) {
            if (rival != null) {
                lose(rival);
            }
            return true;
        }
        if (!output.discard()) {
            lose(rival);
            return false;
        }
        record.discarded();
        lose(leader);
        race.promote();
        return true;
    }

    /** An attempt gives way to another: that says nothing about its endpoint. */
    private void lose(AttemptRun run) {
        if (!run.hasFirstToken()) {
            room.timeToFirstToken(room.nanos() - run.dispatchedNanos); // or else only the fast would be learned from
        }
        call.finish(run, AttemptSummary.Outcome.CANCELLED, null);
    }
}
