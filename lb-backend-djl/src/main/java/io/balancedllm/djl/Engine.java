/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Continuous batching: sequences join and leave the batch between steps. Each step gives every sequence that decodes one
 * token and what is left of its token budget to prompts. A sequence whose reader asks for nothing sits out; one that fails
 * fails alone.
 *
 * @see <a href="https://www.usenix.org/conference/osdi22/presentation/yu">Yu et al., Orca: A Distributed Serving System
 *     for Transformer-Based Generative Models, OSDI 2022</a>
 */
final class Engine {
    /** A step that takes longer is taken for a hang; the longest real ones take about a second. */
    static final Duration STALLED_STEP = Duration.ofSeconds(30);

    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);
    /** Caches come in multiples of this many tokens, so that freed native memory fits what comes next. */
    private static final int ROOM_STEP = 64;

    private static final double EWMA_WEIGHT = 0.2;
    private static final double NANOS = 1e9;

    private final Kernel kernel;
    private final int contextLength;
    private final EngineOptions options;
    private final Ticker ticker;
    private final Queue<List<Work>> inbox = new ConcurrentLinkedQueue<>();
    private final AtomicInteger pending = new AtomicInteger();
    private final Deque<Work> waiting = new ArrayDeque<>();
    private final List<Work> running = new ArrayList<>();
    private final PrefixCache prefixes = new PrefixCache();
    private int reservedTokens;
    /** What {@link #report} tells of the engine thread's own books, as of its last step. */
    private volatile int runningNow;

    private volatile int reservedNow;
    private volatile double secondsPerSequence = 1;
    private volatile boolean closed;
    private volatile long stepStarted;
    private volatile boolean stepping;
    private volatile @Nullable Thread thread;

    Engine(Gpt2Model model, EngineOptions options, Ticker ticker) {
        this.kernel = model.kernel();
        this.contextLength = model.contextLength();
        this.options = options;
        this.ticker = ticker;
        prefixes.limit(options.kvTokens());
    }

    /** Takes all sequences of a generation, or fails it. Any thread. */
    void submit(Gpt2Generation generation, List<Sequence> sequences) {
        int limit = options.maxSequences() + options.queueLimit();
        int before = pending.getAndUpdate(now -> now + sequences.size() > limit ? now : now + sequences.size());
        if (before + sequences.size() > limit) {
            generation.fail(overloaded(before, sequences.size()));
            return;
        }
        List<Work> works = sequences.stream()
                .map(sequence -> new Work(generation, sequence))
                .toList();
        inbox.add(works);
        wake();
        if (closed && inbox.remove(works)) {
            generation.fail(shutDownError());
        }
    }

    boolean closed() {
        return closed;
    }

    /** Makes the engine thread look again. Any thread. */
    void wake() {
        Thread current = thread;
        if (current != null) {
            LockSupport.unpark(current);
        }
    }

    /** {@return whether the engine makes progress; busy is healthy} */
    ProbeResult probe() {
        Thread current = thread;
        if (closed || (current != null && !current.isAlive())) {
            return new ProbeResult(ProbeResult.Status.UNHEALTHY, "the engine is shut down");
        }
        if (stepping && ticker.nanos() - stepStarted > STALLED_STEP.toNanos()) {
            return new ProbeResult(
                    ProbeResult.Status.UNHEALTHY, "one step takes longer than " + STALLED_STEP.toSeconds() + " s");
        }
        return ProbeResult.READY;
    }

    /** {@return how busy it is; any thread} */
    EngineReport report() {
        int running = runningNow;
        return EngineReport.builder()
                .running(running)
                .waiting(Math.max(0, pending.get() - running))
                .maxSequences(options.maxSequences())
                .kvCapacityTokens(options.kvTokens())
                .kvUsage(Math.min(1, (double) reservedNow / options.kvTokens()))
                .build();
    }

    /** Serves until {@link #shutDown}; the body of the engine thread. */
    void run() {
        while (!closed) {
            boolean worked = false;
            try {
                worked = step();
            } catch (Throwable t) {
                LOG.error("The engine's step failed; every running sequence fails with it", t);
                failAll(LlmException.builder(Reason.SERVER_ERROR, "the engine failed: " + t)
                        .cause(t)
                        .build());
            }
            if (!worked && !closed) {
                LockSupport.park(this);
            }
        }
        finish();
    }

    void start(String name) {
        Thread engine = new Thread(this::run, name);
        engine.setDaemon(true);
        thread = engine;
        engine.start();
    }

    /** Fails what runs and waits, and returns when the engine thread has ended. Idempotent. */
    void shutDown() {
        closed = true;
        Thread current = thread;
        if (current == null) {
            finish();
            return;
        }
        wake();
        boolean interrupted = false;
        while (current != Thread.currentThread() && current.isAlive()) {
            try {
                current.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Does one round on the engine thread and returns whether there was anything to compute. */
    boolean step() {
        stepStarted = ticker.nanos();
        stepping = true;
        try {
            takeNew();
            dropEnded();
            admit();
            tellLoad();
            List<Work> batch = new ArrayList<>();
            List<Kernel.Slice> slices = new ArrayList<>();
            schedule(batch, slices);
            if (batch.isEmpty()) {
                return false;
            }
            compute(batch, slices);
            dropEnded();
            return true;
        } finally {
            tellLoad();
            stepping = false;
        }
    }

    private void tellLoad() {
        runningNow = running.size();
        reservedNow = reservedTokens;
    }

    private void takeNew() {
        List<Work> next;
        while ((next = inbox.poll()) != null) {
            waiting.addAll(next);
        }
    }

    /** Lets go of sequences that are done, cancelled or failed with another choice of their request. */
    private void dropEnded() {
        for (List<Work> works : List.of(List.copyOf(waiting), List.copyOf(running))) {
            for (Work work : works) {
                if (work.done || work.generation.ended()) {
                    release(work);
                }
            }
        }
    }

    private void release(Work work) {
        waiting.remove(work);
        if (running.remove(work)) {
            reservedTokens -= room(work);
            prefixes.limit(options.kvTokens() - reservedTokens);
            work.sequence.release(work.failed ? null : prefixes);
            double seconds = (ticker.nanos() - work.admitted) / NANOS;
            secondsPerSequence = (1 - EWMA_WEIGHT) * secondsPerSequence + EWMA_WEIGHT * seconds;
        }
        pending.decrementAndGet();
    }

    private void admit() {
        Work next;
        while (running.size() < options.maxSequences()
                && (next = waiting.peek()) != null
                && reservedTokens + room(next) <= options.kvTokens()) {
            waiting.remove();
            running.add(next);
            reservedTokens += room(next);
            prefixes.limit(options.kvTokens() - reservedTokens);
            next.admitted = ticker.nanos();
            int cached = next.sequence.admit(kernel.allocate(room(next)), prefixes);
            next.generation.admitted(next.sequence, cached);
        }
    }

    private int room(Work work) {
        int rounded = (work.sequence.room() + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;
        return Math.min(rounded, contextLength);
    }

    /** Decodes first, prompts with what is left; a prompt's last token waits for its reader, because it yields text. */
    private void schedule(List<Work> batch, List<Kernel.Slice> slices) {
        int budget = options.stepTokens();
        for (boolean decodes : new boolean[] {true, false}) {
            for (Work work : running) {
                int unfed = work.sequence.unfed();
                if ((unfed == 1) != decodes || budget == 0) {
                    continue;
                }
                boolean whole = unfed <= budget && work.generation.takeDemand();
                int count = whole ? unfed : Math.min(budget, unfed - 1);
                if (count > 0) {
                    batch.add(work);
                    slices.add(work.sequence.slice(count));
                    budget -= count;
                }
            }
        }
    }

    private void compute(List<Work> batch, List<Kernel.Slice> slices) {
        float[][] logits;
        try {
            logits = kernel.step(slices);
        } catch (RuntimeException e) {
            if (batch.size() == 1) {
                batch.get(0).fail(e);
                return;
            }
            LOG.warn("A step of {} sequences failed; each is computed alone", batch.size(), e);
            for (int i = 0; i < batch.size(); i++) {
                compute(List.of(batch.get(i)), List.of(slices.get(i)));
            }
            return;
        }
        for (int i = 0; i < logits.length; i++) {
            if (slices.get(i).logitsWanted()) {
                batch.get(i).advance(logits[i], prefixes);
            }
        }
    }

    private void failAll(LlmException cause) {
        takeNew();
        for (List<Work> works : List.of(List.copyOf(waiting), List.copyOf(running))) {
            for (Work work : works) {
                work.generation.fail(cause);
                release(work);
            }
        }
    }

    private void finish() {
        failAll(shutDownError());
        prefixes.limit(0);
    }

    static LlmException shutDownError() {
        return new LlmException(Reason.UNAVAILABLE, "the in-process GPT-2 is shut down");
    }

    private LlmException overloaded(int pendingNow, int more) {
        double seconds = Math.max(0.1, secondsPerSequence * (pendingNow + more) / options.maxSequences());
        return LlmException.builder(
                        Reason.OVERLOADED,
                        pendingNow + " sequences run or wait already and " + more + " more were asked for; "
                                + options.maxSequences() + " can run and " + options.queueLimit() + " can wait")
                .retryAfter(Duration.ofNanos((long) (seconds * NANOS)))
                .build();
    }

    /** A sequence and whom it belongs to. */
    private static final class Work {
        final Gpt2Generation generation;
        final Sequence sequence;
        long admitted;
        boolean done;
        boolean failed;

        Work(Gpt2Generation generation, Sequence sequence) {
            this.generation = generation;
            this.sequence = sequence;
        }

        void advance(float[] logits, PrefixCache prefixes) {
            try {
                Sequence.Emission emission = sequence.advance(logits);
                if (sequence.newTokens() == 1) {
                    sequence.savePrompt(prefixes);
                }
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

        void fail(RuntimeException cause) {
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
}
