/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.LlmException;
import io.balancedllm.time.Ticker;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What runs in an engine: who is let in, what the next step feeds, and who gives way when KV memory runs short. Used by
 * the engine thread alone, but for {@link #load}.
 *
 * <p>Sequences are let in with room for their prompt and {@link Sequence#FIRST_ANSWER_TOKENS} tokens more and grow as they go, so
 * memory is not kept for answers that end early. When there is none left, a sequence nobody reads gives way, else the
 * least urgent and latest: it goes back to the queue with its tokens, and is computed again when there is room. The first
 * in order never gives way to another, so all come to their end.
 */
final class Batch {
    /** However short decoding is, a step may take this long: below that nobody sees a stream stutter. */
    static final double SHORT_STEP_SECONDS = 0.02;

    /** A step without decoding takes no longer, so that what comes or is cancelled meanwhile waits no longer. */
    static final double LONG_STEP_SECONDS = 0.5;

    /** Prompts go on by this many tokens in each step, however long that takes. */
    static final int LEAST_PROMPT_TOKENS = 16;

    /** Steps for which nobody asks for a sequence before it gives up its place to another. */
    static final int UNREAD_STEPS = 8;

    private static final Logger LOG = LoggerFactory.getLogger(Batch.class);

    private final EngineOptions options;
    private final WorkQueue queue;
    private final KvMemory memory;
    private final PrefixCache prefixes;
    private final StepCosts costs;
    private final List<Work> running = new ArrayList<>();
    /** Gave up their places because nobody reads them. */
    private final List<Work> parked = new ArrayList<>();
    /** Their prompts are being computed elsewhere. */
    private final List<Work> away = new ArrayList<>();

    private volatile Load load = new Load(0, 0, 0);

    private final Ticker ticker;
    private @Nullable Split split;
    private Prefiller.Returned whenBack = this::back;

    Batch(
            EngineOptions options,
            WorkQueue queue,
            KvMemory memory,
            PrefixCache prefixes,
            StepCosts costs,
            Ticker ticker) {
        this.ticker = ticker;
        this.options = options;
        this.queue = queue;
        this.memory = memory;
        this.prefixes = prefixes;
        this.costs = costs;
    }

    /** Lets prompts be computed elsewhere, from where they come back by another thread. */
    void split(Split parts, Prefiller.Returned whenBack) {
        this.split = parts;
        this.whenBack = whenBack;
    }

    /** {@return how much there was at the end of the last step; any thread} */
    Load load() {
        return load;
    }

    void tellLoad() {
        long promptTokens = 0;
        for (Work work : running) {
            promptTokens += work.sequence.unfed() - 1;
        }
        for (Work work : queue.waiting()) {
            promptTokens += work.sequence.unfed();
        }
        load = new Load(running.size() + away.size(), memory.reserved(), Math.max(0, promptTokens));
    }

    /** Lets go of works that are done, or whose generation has ended. */
    void dropEnded(long nowNanos, Consumer<Work> left) {
        List<Work> over = new ArrayList<>(queue.removeEnding(nowNanos));
        for (List<Work> works : List.of(running, parked)) {
            works.stream()
                    .filter(work -> work.done || work.generation.ending(nowNanos))
                    .forEach(over::add);
        }
        // Those away end at once for their callers, and are let go when they are back.
        away.forEach(work -> work.generation.ended(nowNanos));
        away.stream()
                .filter(work -> work.back && work.generation.ending(nowNanos))
                .forEach(over::add);
        for (Work work : over) {
            work.generation.ended(nowNanos);
            end(work);
            left.accept(work);
        }
    }

    private void end(Work work) {
        if (work.failed) {
            work.sequence.forget(prefixes);
        }
        stop(work, !work.failed);
        parked.remove(work);
        away.remove(work);
        unpack(work);
        queue.release(1 + work.takeFollowers().size());
    }

    /** Begins what waits, in order. {@return whether something is left that cannot begin} */
    boolean admit(long nowNanos) {
        for (Work work : List.copyOf(parked)) {
            if (work.generation.hasDemand()) {
                parked.remove(work);
                queue.put(work);
            }
        }
        for (Work work : List.copyOf(away)) {
            if (work.back) {
                away.remove(work);
                begin(work, work.keptRoom, nowNanos);
            }
        }
        Work next;
        while ((next = queue.peek()) != null) {
            int room = room(next);
            // Those that run grow: what is let in beside them must leave each a step of room.
            boolean fits = memory.fits(room + KvMemory.ROOM_STEP * running.size());
            if (running.size() + away.size() >= options.maxSequences()
                    || !(fits || (running.isEmpty() && away.isEmpty() && memory.fits(room)))) {
                Work unread = unread();
                if (unread == null) {
                    return true;
                }
                park(unread);
            } else if (queue.remove(next)) {
                if (!sendAway(next, room)) {
                    begin(next, room, nowNanos);
                }
            }
        }
        return false;
    }

    /** Lets the prompt of a work be computed elsewhere if that pays. */
    private boolean sendAway(Work work, int room) {
        Split parts = split;
        if (parts == null || work.sentAway || work.sequence.newTokens() > 0 || work.sequence.embeds()) {
            return false;
        }
        int[] prompt = work.sequence.promptToSend();
        int uncached = prompt.length - work.sequence.cachedIn(prefixes);
        int decodes = (int) running.stream()
                .filter(other -> other.sequence.unfed() == 1 && other.generation.hasDemand())
                .count();
        long ahead = running.stream()
                .mapToLong(other -> Math.max(0, other.sequence.unfed() - 1))
                .sum();
        if (!parts.pays(new Split.Prompt(prompt.length, uncached, decodes, ahead, promptTokens(decodes)))) {
            return false;
        }
        work.sentAway = true;
        work.keptRoom = room;
        memory.keep(room);
        away.add(work);
        parts.prefiller().submit(work, prompt, room, whenBack);
        return true;
    }

    /** Takes back a work whose prompt has been computed elsewhere, or not. */
    void back(Work work, @Nullable Handover handover) {
        if (away.contains(work)) {
            work.handover = handover;
            work.back = true;
        } else if (handover != null) {
            handover.close(); // it failed with the engine meanwhile
        }
    }

    private void unpack(Work work) {
        Handover handover = work.handover;
        work.handover = null;
        if (handover != null) {
            handover.close();
        }
        memory.giveUp(work.keptRoom);
        work.keptRoom = 0;
    }

    /** {@return the room to begin with} What was interrupted and has all to itself gets all, not to be interrupted again. */
    private int room(Work work) {
        int most = work.sequence.mostRoom();
        boolean alone = running.isEmpty() && work.sequence.newTokens() > 0 && memory.fits(most);
        return alone ? most : work.sequence.comfortableRoom();
    }

    private void begin(Work work, int room, long nowNanos) {
        work.admitted = work.admitted == 0 ? nowNanos : work.admitted;
        running.add(work);
        running.sort(Work.ORDER);
        Handover handover = work.handover;
        Split parts = split;
        long began = ticker.nanos();
        try {
            int cached = 0;
            if (handover != null && handover.hasCache()) {
                work.keptRoom = 0; // the cache has it now
                work.sequence.takeOver(handover, room, prefixes);
            } else {
                work.sequence.cachedIn(prefixes);
                memory.giveUp(work.keptRoom);
                work.keptRoom = 0;
                Kernel.KvCache cache = memory.take(room);
                cached = work.sequence.admit(cache, room, prefixes);
                if (handover != null) {
                    append(work, handover);
                }
            }
            if (handover != null && parts != null) {
                parts.handedOver(work.sequence.promptToSend().length, (ticker.nanos() - began) / 1e9);
            }
            work.generation.admitted(work.sequence, cached);
        } catch (RuntimeException | OutOfMemoryError e) {
            work.fail(e);
        }
        unpack(work);
    }

    /** Copies what was computed elsewhere; what cannot be copied is computed here. */
    private static void append(Work work, Handover handover) {
        try {
            work.sequence.append(handover);
        } catch (RuntimeException | OutOfMemoryError e) {
            LOG.warn(
                    "Keys and values could not be handed over; the rest of the prompt is computed where it is decoded",
                    e);
        }
    }

    /** {@return the last of those that nobody reads} A reader that is late for a moment only does not count. */
    private @Nullable Work unread() {
        boolean nobodyReads = running.stream().noneMatch(work -> work.generation.hasDemand());
        return running.stream()
                .filter(work ->
                        !work.done && !work.generation.hasDemand() && (nobodyReads || work.unreadSteps >= UNREAD_STEPS))
                .max(Work.ORDER)
                .orElse(null);
    }

    private void park(Work work) {
        stop(work, true);
        parked.add(work);
    }

    /** Takes a work out of the batch and frees its cache; its blocks are kept unless its numbers may be bad. */
    private void stop(Work work, boolean keepBlocks) {
        if (running.remove(work)) {
            if (keepBlocks) {
                work.sequence.save(prefixes);
            }
            int room = work.sequence.capacity();
            Kernel.KvCache cache = work.sequence.giveUpCache();
            if (cache != null) {
                memory.free(cache, room);
            }
        }
    }

    /** {@return what the next step feeds} Decodes first; a prompt's last token waits for its reader, as it yields text. */
    Plan plan() {
        int before = running.size();
        for (Work work : List.copyOf(running)) {
            work.unreadSteps = work.generation.hasDemand() ? 0 : work.unreadSteps + 1;
            if (running.contains(work) && work.sequence.full() && work.generation.hasDemand() && !work.done) {
                grow(work);
            }
        }
        Plan plan = new Plan(new ArrayList<>(), new ArrayList<>(), running.size() < before);
        for (Work work : running) {
            if (work.sequence.unfed() == 1 && !work.sequence.full() && !work.done && work.generation.takeDemand()) {
                plan.add(work, 1);
            }
        }
        int budget = promptTokens(plan.works().size());
        for (Work work : running) {
            int unfed = work.sequence.unfed();
            if (unfed > 1 && budget > 0 && !work.done) {
                boolean whole = unfed <= budget && work.generation.takeDemand();
                int count = whole ? unfed : Math.min(budget, unfed - 1);
                plan.add(work, count);
                budget -= count;
            }
        }
        return plan;
    }

    /** {@return how many prompt tokens a step may feed beside so many decodes} */
    private int promptTokens(int decodes) {
        int most = options.stepTokens() - decodes;
        if (Double.isInfinite(options.promptStretch())) {
            return most;
        }
        Split parts = split;
        StepCosts now = parts == null ? costs : parts.now();
        if (!now.known()) {
            return decodes == 0 ? most : Math.min(most, LEAST_PROMPT_TOKENS);
        }
        double seconds = decodes == 0
                ? LONG_STEP_SECONDS
                : Math.max(SHORT_STEP_SECONDS, options.promptStretch() * now.seconds(decodes));
        return Math.min(most, Math.max(LEAST_PROMPT_TOKENS, now.tokensWithin(seconds, decodes)));
    }

    /** Gives a sequence more room, at the cost of others, or in the end takes it out itself. */
    private void grow(Work work) {
        int room = work.sequence.nextRoom();
        while (!memory.fits(room)) {
            Work victim = victim();
            if (victim == null) {
                return;
            }
            stop(victim, true);
            if (victim.generation.hasDemand()) {
                queue.put(victim);
            } else {
                parked.add(victim);
            }
            if (victim.equals(work)) {
                return;
            }
        }
        int before = work.sequence.capacity();
        try {
            Kernel.KvCache larger = memory.take(room);
            try {
                memory.free(work.sequence.moveTo(larger, room), before);
            } catch (RuntimeException | OutOfMemoryError e) {
                memory.free(larger, room);
                throw e;
            }
        } catch (RuntimeException | OutOfMemoryError e) {
            work.fail(e);
        }
    }

    private @Nullable Work victim() {
        Work unread = unread();
        return unread != null
                ? unread
                : running.stream().filter(work -> !work.done).max(Work.ORDER).orElse(null);
    }

    /** Takes what a step gave for one of its slices. */
    void computed(Work work, Kernel.Slice slice, float[] numbers) {
        switch (slice.wanted()) {
            case LOGITS -> work.advance(numbers);
            case STATES -> work.addStates(numbers);
            case NOTHING -> {}
        }
        if (!work.failed) {
            work.sequence.savePrompt(prefixes);
        }
        if (slice.wanted() == Kernel.Wanted.LOGITS) {
            work.takeFollowers().forEach(queue::put);
        }
    }

    void failAll(LlmException cause) {
        List<Work> all = new ArrayList<>(queue.removeAll());
        all.addAll(running);
        all.addAll(parked);
        all.addAll(away);
        for (Work work : all) {
            work.generation.fail(cause);
            end(work);
        }
    }

    /**
     * How much there is.
     *
     * @param running sequences
     * @param reserved tokens of KV memory
     * @param promptTokens tokens that wait to be computed before their sequences decode
     */
    record Load(int running, int reserved, long promptTokens) {}

    /** What one step feeds: works, the slice of each, and whether others had to give way to them. */
    record Plan(List<Work> works, List<Kernel.Slice> slices, boolean interrupted) {
        void add(Work work, int count) {
            works.add(work);
            slices.add(work.sequence.slice(count));
        }

        Plan only(int index) {
            return new Plan(List.of(works.get(index)), List.of(slices.get(index)), interrupted);
        }

        int tokens() {
            return slices.stream().mapToInt(slice -> slice.tokens().length).sum();
        }
    }
}
