/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A sequence on its way through an engine, with whom it belongs to. Touched by the engine thread that has it; while it
 * waits, under the lock of the queue it waits in.
 */
final class Work {
    /** The urgent first, and among equals those that came first; what was interrupted so comes before what never ran. */
    static final Comparator<Work> ORDER =
            Comparator.comparingInt((Work work) -> -work.generation.priority()).thenComparingLong(work -> work.ordinal);

    /** Across all engines of this process, because works may move between them. */
    private static final AtomicLong ORDINALS = new AtomicLong();

    final Gpt2Generation generation;
    final Sequence sequence;
    private final long ordinal = ORDINALS.incrementAndGet();
    /** Other choices of the same prompt, which wait until this one has computed it. */
    private List<Work> followers = List.of();

    private boolean leads = true;

    /** Steps since its reader asked for something. */
    int unreadSteps;

    /** What was computed of its prompt elsewhere, to be closed; null if nothing was. */
    @Nullable
    Handover handover;

    /** Whether its prompt was sent elsewhere, which is tried once. */
    boolean sentAway;

    /** Whether it has come back. */
    boolean back;

    /** Tokens of KV memory kept for it while it is away. */
    int keptRoom;

    long admitted;
    boolean done;
    boolean failed;

    Work(Gpt2Generation generation, Sequence sequence) {
        this.generation = generation;
        this.sequence = sequence;
    }

    void followedBy(List<Work> others) {
        followers = others;
        others.forEach(other -> other.leads = false);
    }

    /** {@return whether it waits for no other choice} */
    boolean leads() {
        return leads;
    }

    /** {@return those that need not wait any longer} */
    List<Work> takeFollowers() {
        List<Work> taken = followers;
        followers = List.of();
        return taken;
    }

    /** Goes on by a token that is drawn from these logits, [vocabulary]. */
    void advance(float[] logits) {
        try {
            Sequence.Emission emission = sequence.advance(logits);
            if (emission == null) {
                generation.returnDemand();
            } else {
                done = emission.finishReason() != null;
                generation.emit(sequence, emission);
            }
        } catch (RuntimeException e) {
            fail(e);
        }
    }

    /** Goes on by the states of the tokens fed last, [tokens, width]. */
    void addStates(float[] states) {
        try {
            float[] vector = sequence.addStates(states);
            if (vector != null) {
                done = true;
                generation.embedded(sequence, vector);
            }
        } catch (RuntimeException e) {
            fail(e);
        }
    }

    void fail(Throwable cause) {
        done = true;
        failed = true;
        generation.fail(
                cause instanceof LlmException typed
                        ? typed
                        : LlmException.builder(Reason.SERVER_ERROR, "the sequence failed: " + cause)
                                .cause(cause)
                                .build());
    }
}
