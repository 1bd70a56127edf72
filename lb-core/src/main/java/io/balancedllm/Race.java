/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CompletionChunk;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The attempts of a call that run at the same time: the leader, whose chunks go to the output, and, while a call is
 * hedged, a rival, whose chunks are held until it takes the lead. Touched by messages of the call only.
 */
final class Race {
    private final Output output;
    private @Nullable AttemptRun leader;
    private @Nullable AttemptRun rival;
    private List<CompletionChunk> held = List.of();

    Race(Output output) {
        this.output = output;
    }

    @Nullable
    AttemptRun leader() {
        return leader;
    }

    @Nullable
    AttemptRun rival() {
        return rival;
    }

    boolean isEmpty() {
        return leader == null;
    }

    /** {@return whether two attempts run, and neither has won} */
    boolean isOpen() {
        return rival != null;
    }

    boolean runs(AttemptRun run) {
        return run.equals(leader) || run.equals(rival);
    }

    boolean leads(AttemptRun run) {
        return run.equals(leader);
    }

    /** {@return the attempt on this member, or null} */
    @Nullable
    AttemptRun on(PoolMember member) {
        if (leader != null && leader.member().equals(member)) {
            return leader;
        }
        return rival != null && rival.member().equals(member) ? rival : null;
    }

    void join(AttemptRun run) {
        if (leader == null) {
            leader = run;
        } else {
            rival = run;
            held = new ArrayList<>();
        }
    }

    /** Takes a chunk of the leader, or keeps one of the rival. */
    void chunk(AttemptRun run, CompletionChunk chunk) {
        if (run.equals(rival)) {
            held.add(chunk);
        } else {
            output.chunk(chunk);
        }
    }

    /** An attempt is over. The rival stays one until it {@linkplain #promote() takes the lead}. */
    void leave(AttemptRun run) {
        if (run.equals(leader)) {
            leader = null;
        } else {
            rival = null;
            held = List.of();
        }
    }

    /** The rival takes the lead of one that has left, and with it the output, which has been emptied. */
    void promote() {
        List<CompletionChunk> chunks = held;
        leader = rival;
        rival = null;
        held = List.of();
        chunks.forEach(output::chunk);
    }
}
