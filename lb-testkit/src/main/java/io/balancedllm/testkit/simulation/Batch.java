/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.LlmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * The requests of a {@link SimulatedEngine}: who waits, whose prompt is computed, who decodes, in what memory, and what each
 * step does for them. Knows no time, and belongs to the engine's thread.
 */
final class Batch {
    private final EngineModel model;
    private final @Nullable BlockTable pooled;
    private KvBlocks kv;
    private final Queue<Sequence> waiting = new ArrayDeque<>();
    private final List<Sequence> prefilling = new ArrayList<>();
    /** In the order they end, and among those that end together as they began. */
    private final PriorityQueue<Sequence> decoding =
            new PriorityQueue<>(Comparator.<Sequence>comparingLong(sequence -> sequence.lastStep)
                    .thenComparingLong(sequence -> sequence.turn));

    private long contextTokens;
    private long waitingPromptTokens;
    private long steps;
    private long turns;
    private long prefilledTokens;
    private boolean anyCancelled;

    Batch(EngineModel model, int kvBlocks, @Nullable BlockTable pooled) {
        this.model = model;
        this.pooled = pooled;
        this.kv = new KvBlocks(kvBlocks, pooled);
    }

    KvBlocks kv() {
        return kv;
    }

    int waiting() {
        return waiting.size();
    }

    long waitingPromptTokens() {
        return waitingPromptTokens;
    }

    int running() {
        return prefilling.size() + decoding.size();
    }

    long prefilledTokens() {
        return prefilledTokens;
    }

    void add(Sequence sequence) {
        waiting.add(sequence);
        waitingPromptTokens += sequence.promptTokens;
    }

    /** Begins a step. {@return what it computes, null when there is nothing} */
    @Nullable
    StepLoad begin() {
        int budget = model.maxBatchedTokens() - decoding.size();
        long tokens = 0;
        double pairs = 0;
        long context = 0;
        for (Sequence sequence : prefilling) {
            budget -= plan(sequence, budget);
        }
        while (budget > 0 && running() < model.maxSequences()) {
            Sequence next = waiting.peek();
            if (next == null || !kv.admit(next)) {
                break;
            }
            waiting.remove();
            waitingPromptTokens -= next.promptTokens;
            prefilling.add(next);
            budget -= plan(next, budget);
        }
        if (running() == 0) {
            return null;
        }
        for (Sequence sequence : prefilling) {
            if (sequence.chunk > 0) {
                tokens += sequence.chunk;
                pairs += StepLoad.attention(sequence.chunk, sequence.computedTokens);
                context += sequence.computedTokens;
            }
        }
        prefilledTokens += tokens;
        return new StepLoad(tokens, pairs, context, decoding.size(), contextTokens);
    }

    private static int plan(Sequence sequence, int budget) {
        sequence.chunk = Math.max(0, Math.min(budget, sequence.promptTokens - sequence.computedTokens));
        return sequence.chunk;
    }

    /** Ends a step: what it computed is there, and who has a first or a last token is told. */
    void end() {
        steps++;
        contextTokens += decoding.size();
        for (Sequence last = decoding.peek(); last != null && last.lastStep == steps; last = decoding.peek()) {
            decoding.remove();
            contextTokens -= last.promptTokens + last.outputTokens;
            finish(last);
        }
        int left = 0;
        for (Sequence sequence : prefilling) {
            sequence.computedTokens += sequence.chunk;
            kv.publish(sequence);
            if (sequence.hasFirstToken()) {
                firstToken(sequence);
            } else {
                prefilling.set(left++, sequence);
            }
        }
        prefilling.subList(left, prefilling.size()).clear();
        if (anyCancelled) {
            dropCancelled();
        }
    }

    private void firstToken(Sequence sequence) {
        if (sequence.outputTokens == 1) {
            finish(sequence);
            return;
        }
        sequence.lastStep = steps + sequence.outputTokens - 1;
        sequence.turn = turns++;
        decoding.add(sequence);
        contextTokens += sequence.promptTokens + 1;
        sequence.tellFirstToken();
    }

    private void finish(Sequence sequence) {
        kv.release(sequence);
        sequence.tellEnd();
    }

    /** A waiting request leaves at once, a running one at the end of the step. */
    void cancel(Sequence sequence) {
        if (waiting.remove(sequence)) {
            waitingPromptTokens -= sequence.promptTokens;
            sequence.tellCancelled();
        } else {
            sequence.cancelled = true;
            anyCancelled = true;
        }
    }

    private void dropCancelled() {
        anyCancelled = false;
        for (Sequence sequence : allRunning()) {
            if (sequence.cancelled) {
                if (decoding.remove(sequence)) {
                    long decoded = sequence.outputTokens - (sequence.lastStep - steps);
                    contextTokens -= sequence.promptTokens + decoded;
                } else {
                    prefilling.remove(sequence);
                }
                kv.release(sequence);
                sequence.tellCancelled();
            }
        }
    }

    private List<Sequence> allRunning() {
        List<Sequence> running = new ArrayList<>(prefilling);
        running.addAll(decoding);
        return running;
    }

    /** Fails all, who leave before the first of them is told. */
    void fail(LlmException cause) {
        List<Sequence> unfinished = allRunning();
        unfinished.addAll(waiting);
        unfinished.forEach(kv::release);
        waiting.clear();
        prefilling.clear();
        decoding.clear();
        contextTokens = 0;
        waitingPromptTokens = 0;
        anyCancelled = false;
        unfinished.forEach(sequence -> sequence.tellFailed(cause));
    }

    /** Loses the cache. */
    void forget() {
        kv = new KvBlocks(kv.capacity(), pooled);
    }

    /** {@return what an oracle may know; the collections are live and only to be read} */
    EngineInsight insight(double stepSecondsLeft, double speed) {
        return new EngineInsight(
                model, kv, stepSecondsLeft, speed, waiting, prefilling, decoding, contextTokens, steps);
    }

    /** Throws unless the books agree with who is here. */
    void verify() {
        kv.verify(allRunning());
        long context = 0;
        for (Sequence sequence : decoding) {
            context += sequence.promptTokens + sequence.outputTokens - (sequence.lastStep - steps);
        }
        if (context != contextTokens) {
            throw new IllegalStateException("context tokens are " + context + ", counted as " + contextTokens);
        }
    }

    @Override
    public String toString() {
        return "waiting=" + waiting.size() + ", prefilling=" + prefilling.size() + ", decoding=" + decoding.size()
                + ", " + kv;
    }
}
