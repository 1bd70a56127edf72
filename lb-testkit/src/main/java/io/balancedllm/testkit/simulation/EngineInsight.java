/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What an oracle sees of an engine at one moment: exact queues, exact cache, and how long the answers will be. */
final class EngineInsight {
    private final EngineModel model;
    private final KvBlocks kv;
    private final double stepSecondsLeft;
    private final double speed;
    private final Collection<Sequence> waiting;
    private final Collection<Sequence> prefilling;
    private final Collection<Sequence> decoding;
    private final long contextTokens;
    private final long steps;

    EngineInsight(
            EngineModel model,
            KvBlocks kv,
            double stepSecondsLeft,
            double speed,
            Collection<Sequence> waiting,
            Collection<Sequence> prefilling,
            Collection<Sequence> decoding,
            long contextTokens,
            long steps) {
        this.model = model;
        this.kv = kv;
        this.stepSecondsLeft = stepSecondsLeft;
        this.speed = speed;
        this.waiting = waiting;
        this.prefilling = prefilling;
        this.decoding = decoding;
        this.contextTokens = contextTokens;
        this.steps = steps;
    }

    int running() {
        return prefilling.size() + decoding.size();
    }

    int decoding() {
        return decoding.size();
    }

    /** {@return blocks of the prompt that are cached, or will be when what is before it has been computed} */
    int hits(PromptShape prompt) {
        Set<Long> coming = new HashSet<>();
        prefilling.forEach(sequence -> add(coming, sequence));
        waiting.forEach(sequence -> add(coming, sequence));
        return hits(prompt, coming);
    }

    private int hits(PromptShape prompt, Set<Long> coming) {
        int hits = 0;
        while (hits < prompt.reusableBlocks
                && (kv.holds(prompt.blocks[hits]) || coming.contains(prompt.blocks[hits]))) {
            hits++;
        }
        return hits;
    }

    private static void add(Set<Long> coming, Sequence sequence) {
        for (long block : sequence.prompt.blocks) {
            coming.add(block);
        }
    }

    /** {@return seconds this prompt would take here by itself, after so many cached blocks} */
    double ownSeconds(PromptShape prompt, int hits) {
        return work(prompt.tokens, hits * SimulatedPrompt.BLOCK_TOKENS) / speed;
    }

    private double work(int tokens, int done) {
        return done >= tokens ? 0 : model.cost().prefillSeconds(tokens - done, done);
    }

    /** {@return seconds of prefill ahead, the rest of the running step included} */
    double pendingSeconds() {
        double seconds = stepSecondsLeft * speed;
        Set<Long> coming = new HashSet<>();
        for (Sequence sequence : prefilling) {
            seconds += work(sequence.promptTokens, sequence.computedTokens + sequence.chunk);
            add(coming, sequence);
        }
        for (Sequence sequence : waiting) {
            int hits = hits(sequence.prompt, coming);
            seconds += work(sequence.promptTokens, hits * SimulatedPrompt.BLOCK_TOKENS);
            add(coming, sequence);
        }
        return seconds / speed;
    }

    /** {@return seconds until the prompt and an answer of that length find memory behind all that wait} */
    double memorySeconds(PromptShape prompt, int outputTokens, int hits) {
        int needed = blocks(prompt.tokens + outputTokens) - hits;
        for (Sequence sequence : waiting) {
            needed += sequence.blocks();
        }
        int available = kv.available();
        if (needed <= available) {
            return 0;
        }
        List<long[]> ends = new ArrayList<>();
        decoding.forEach(sequence -> ends.add(new long[] {sequence.lastStep - steps, sequence.blocks()}));
        prefilling.forEach(sequence -> ends.add(new long[] {sequence.outputTokens, sequence.blocks()}));
        ends.sort(Comparator.comparingLong(end -> end[0]));
        double step = model.decodeSeconds(0, contextTokens) / speed;
        long last = 0;
        for (long[] end : ends) {
            available += (int) end[1];
            last = end[0];
            if (available >= needed) {
                return last * step;
            }
        }
        return 2 * last * step;
    }

    private static int blocks(int tokens) {
        return (tokens + SimulatedPrompt.BLOCK_TOKENS - 1) / SimulatedPrompt.BLOCK_TOKENS;
    }
}
