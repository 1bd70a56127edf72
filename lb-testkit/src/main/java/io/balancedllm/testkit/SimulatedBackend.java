/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Prompt;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * An engine without a model: it takes the time of one and answers {@code " 1 2 3"} up to {@code max_tokens}, so that a
 * missing or repeated token shows. For load tests that are about the balancer. Thread-safe.
 *
 * <p>Continuous batching as engines do it: a step gives one token to every sequence that decodes and takes {@link
 * Builder#decode}; prompts are computed in pieces of {@value #STEP_TOKENS} tokens at {@link Builder#prefill} each. A prompt
 * has a token for every {@value #TOKEN_CHARS} characters; full blocks of {@value #BLOCK_TOKENS} tokens stay in the KV
 * memory after use, the one unused longest going first, and a later turn of the same conversation finds them ({@code
 * cached_tokens}). A sequence whose reader asks for nothing sits out. Where prompt and answer do not fit into the memory
 * that is free, a sequence waits; where they never would, it is refused.
 *
 * <p>Time passes on a {@link Scheduler}, so it is virtual where that is; {@link Builder#burnCpu} spends it computing. For
 * traces on virtual time, where a run is about routing, there is {@link
 * io.balancedllm.testkit.simulation.SimulatedEngine}.
 */
public final class SimulatedBackend implements LlmBackend {
    /** What a prompt token takes when nothing else is said. */
    public static final Duration DEFAULT_PREFILL = Duration.ofNanos(100_000);
    /** What a step of decoding takes when nothing else is said. */
    public static final Duration DEFAULT_DECODE = Duration.ofMillis(10);
    /** Blocks of KV memory when nothing else is said. */
    public static final int DEFAULT_KV_BLOCKS = 4_096;
    /** Sequences that run at a time when nothing else is said. */
    public static final int DEFAULT_MAX_SEQUENCES = 64;
    /** Sequences that wait; one more is refused. */
    public static final int QUEUE_LIMIT = 1_024;
    /** Tokens of an answer whose request names no limit. */
    public static final int DEFAULT_MAX_TOKENS = 16;
    /** Tokens in a block. */
    public static final int BLOCK_TOKENS = 16;
    /** Characters in a token of a prompt. */
    public static final int TOKEN_CHARS = 4;
    /** Prompt tokens of a step. */
    static final int STEP_TOKENS = 512;

    private final String model;
    private final long prefillNanos;
    private final long decodeNanos;
    private final int maxSequences;
    private final boolean burn;
    private final Ticker ticker;
    private final Scheduler scheduler;
    private final boolean ownsScheduler;
    private final Queue<SimulatedSequence> inbox = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean stepQueued = new AtomicBoolean();
    private volatile boolean closed;
    // What follows is touched on the scheduler's thread only.
    private final Deque<SimulatedSequence> waiting = new ArrayDeque<>();
    private final List<SimulatedSequence> running = new ArrayList<>();
    private final SimulatedMemory memory;
    private boolean stepping;
    private volatile EngineReport load;

    private SimulatedBackend(Builder builder) {
        model = builder.model;
        prefillNanos = builder.prefill.toNanos();
        decodeNanos = builder.decode.toNanos();
        maxSequences = builder.maxSequences;
        burn = builder.burn;
        ticker = builder.ticker;
        ownsScheduler = builder.scheduler == null;
        scheduler = builder.scheduler == null ? Scheduler.singleThread("simulated-engine") : builder.scheduler;
        memory = new SimulatedMemory(builder.kvBlocks);
        load = measure();
    }

    /** {@return an engine with the defaults, in real time} */
    public static SimulatedBackend start() {
        return builder().build();
    }

    /** {@return a builder of an engine} */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
        CompletionRequest request = attempt.request();
        @Nullable String prompt = text(request);
        if (closed || prompt == null) {
            sink.failed(
                    closed
                            ? new LlmException(Reason.UNAVAILABLE, "the simulated engine is closed")
                            : new LlmException(Reason.UNSUPPORTED, "a simulated engine takes one text or chat"));
            return Generation.ENDED;
        }
        SimulatedSequence sequence =
                new SimulatedSequence(prompt, request.maxTokens().orElse(DEFAULT_MAX_TOKENS), sink, this::wake);
        if (sequence.blocks() > memory.capacity()) {
            sink.failed(new LlmException(
                    Reason.CONTEXT_LENGTH_EXCEEDED,
                    "prompt and answer need " + sequence.blocks() + " blocks of KV memory, there are "
                            + memory.capacity()));
            return Generation.ENDED;
        }
        inbox.add(sequence);
        wake();
        if (closed && inbox.remove(sequence)) {
            sink.failed(new LlmException(Reason.UNAVAILABLE, "the simulated engine is closed"));
        }
        return sequence;
    }

    private static @Nullable String text(CompletionRequest request) {
        if (request.prompt() instanceof Prompt.Text plain) {
            return plain.text();
        }
        if (request.prompt() instanceof Prompt.Chat chat) {
            StringBuilder all = new StringBuilder();
            for (Message message : chat.messages()) {
                all.append(message.role()).append(':').append(message.text()).append('\n');
            }
            return all.toString();
        }
        return null;
    }

    private void wake() {
        if (stepQueued.compareAndSet(false, true)) {
            scheduler.schedule("simulated wake", 0, this::look);
        }
    }

    /** Takes what is new and begins a step unless one is under way, which looks again at its end. */
    private void look() {
        stepQueued.set(false);
        takeNew();
        dropEnded();
        if (!stepping) {
            beginStep();
        }
        load = measure();
    }

    private void takeNew() {
        for (SimulatedSequence next = inbox.poll(); next != null; next = inbox.poll()) {
            if (waiting.size() >= QUEUE_LIMIT) {
                next.fail(new LlmException(Reason.OVERLOADED, QUEUE_LIMIT + " sequences wait already"));
            } else {
                next.accepted();
                waiting.add(next);
            }
        }
    }

    private void dropEnded() {
        for (SimulatedSequence each : List.copyOf(waiting)) {
            if (each.isOver()) {
                waiting.remove(each);
            }
        }
        for (SimulatedSequence each : List.copyOf(running)) {
            if (each.isOver()) {
                running.remove(each);
                memory.release(each);
            }
        }
    }

    private void beginStep() {
        while (running.size() < maxSequences && !waiting.isEmpty() && memory.admit(waiting.peek())) {
            running.add(waiting.remove());
        }
        long nanos = 0;
        int budget = STEP_TOKENS;
        boolean decodes = false;
        List<SimulatedSequence> step = new ArrayList<>();
        for (SimulatedSequence each : running) {
            if (each.isPrefilled()) {
                if (each.isAskedFor()) {
                    decodes = true;
                    step.add(each);
                }
            } else if (budget > 0) {
                each.chunk = Math.min(budget, each.promptTokens - each.computed);
                budget -= each.chunk;
                nanos += each.chunk * prefillNanos;
                step.add(each);
            }
        }
        stepping = !step.isEmpty();
        if (stepping) {
            long cost = nanos + (decodes ? decodeNanos : 0);
            if (burn) {
                burn(cost);
            }
            scheduler.schedule("simulated step", burn ? 0 : cost, () -> endStep(step));
        }
    }

    private void burn(long nanos) {
        long end = ticker.nanos() + nanos;
        while (ticker.nanos() - end < 0) {
            Thread.onSpinWait();
        }
    }

    private void endStep(List<SimulatedSequence> step) {
        for (SimulatedSequence each : step) {
            if (each.isOver()) {
                continue;
            }
            if (each.isPrefilled()) {
                each.token();
            } else {
                each.computed += each.chunk;
                if (each.isPrefilled()) {
                    memory.publish(each);
                }
            }
        }
        stepping = false;
        look();
    }

    private EngineReport measure() {
        return EngineReport.builder()
                .running(running.size())
                .waiting(waiting.size() + inbox.size())
                .kvUsage(memory.usage())
                .kvBlocks(memory.capacity())
                .blockTokens(BLOCK_TOKENS)
                .maxSequences(maxSequences)
                .build();
    }

    @Override
    public CompletionStage<ProbeResult> probe(Duration timeout) {
        return CompletableFuture.completedFuture(
                closed ? new ProbeResult(ProbeResult.Status.UNHEALTHY, "closed") : ProbeResult.READY);
    }

    /** Tells at once what it did at its last step. */
    @Override
    public CompletionStage<Optional<EngineReport>> report(Duration timeout) {
        return CompletableFuture.completedFuture(closed ? Optional.empty() : Optional.of(load));
    }

    @Override
    public BackendTraits traits() {
        return BackendTraits.builder()
                .operations(Operation.CHAT, Operation.TEXT)
                .model(model)
                .build();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        scheduler.schedule("simulated close", 0, this::failAll);
    }

    private void failAll() {
        takeNew();
        List<SimulatedSequence> left = new ArrayList<>(running);
        left.addAll(waiting);
        left.forEach(each -> each.fail(new LlmException(Reason.UNAVAILABLE, "the simulated engine was closed")));
        dropEnded();
        if (ownsScheduler) {
            scheduler.close();
        }
    }

    @Override
    public String toString() {
        return "SimulatedBackend{" + model + "}";
    }

    /** Builds a {@link SimulatedBackend}. Not thread-safe. */
    public static final class Builder {
        private String model = "simulated";
        private Duration prefill = DEFAULT_PREFILL;
        private Duration decode = DEFAULT_DECODE;
        private int kvBlocks = DEFAULT_KV_BLOCKS;
        private int maxSequences = DEFAULT_MAX_SEQUENCES;
        private boolean burn;
        private Ticker ticker = Ticker.system();
        private @Nullable Scheduler scheduler;

        private Builder() {}

        /** Sets the name of the model it claims to serve. */
        public Builder model(String name) {
            this.model = name;
            return this;
        }

        /** Sets what a prompt token takes that is not cached; 0 or more. */
        public Builder prefill(Duration each) {
            this.prefill = notNegative("prefill", each);
            return this;
        }

        /** Sets what a step takes that gives every running sequence a token; 0 or more. */
        public Builder decode(Duration step) {
            this.decode = notNegative("decode", step);
            return this;
        }

        /** Sets how many blocks of KV memory it has, at least 1. */
        public Builder kvBlocks(int blocks) {
            this.kvBlocks = atLeastOne("kvBlocks", blocks);
            return this;
        }

        /** Sets how many sequences run at a time, at least 1. */
        public Builder maxSequences(int sequences) {
            this.maxSequences = atLeastOne("maxSequences", sequences);
            return this;
        }

        /** Spends its time computing on the scheduler's thread, as a model on this machine would. */
        public Builder burnCpu(boolean burn) {
            this.burn = burn;
            return this;
        }

        /** Sets the clock that says when enough was computed. */
        public Builder ticker(Ticker ticker) {
            this.ticker = ticker;
            return this;
        }

        /** Sets on what time passes; borrowed. Everything it does happens there. Default: a thread of its own. */
        public Builder scheduler(Scheduler scheduler) {
            this.scheduler = scheduler;
            return this;
        }

        private static Duration notNegative(String name, Duration value) {
            if (value.isNegative()) {
                throw new IllegalArgumentException(name + " must not be negative, got " + value);
            }
            return value;
        }

        private static int atLeastOne(String name, int value) {
            if (value < 1) {
                throw new IllegalArgumentException(name + " must be at least 1, got " + value);
            }
            return value;
        }

        /** {@return the engine} */
        public SimulatedBackend build() {
            return new SimulatedBackend(this);
        }
    }
}
