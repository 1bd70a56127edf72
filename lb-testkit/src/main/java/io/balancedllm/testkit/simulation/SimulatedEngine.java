/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.DoubleUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * An inference engine on virtual time, stepping as vLLM V1 does: continuous batching with chunked prefill, over a prefix
 * cache of blocks of {@value SimulatedPrompt#BLOCK_TOKENS} tokens.
 *
 * <p>First come, first served. A step gives one token to every sequence that decodes, and spends what is left of
 * {@link EngineModel#maxBatchedTokens} on prompts; waiting requests join while there is budget, a place among
 * {@link EngineModel#maxSequences}, and KV memory for prompt and answer together, so nothing is ever preempted. On
 * joining, the longest run of cached full blocks is taken over, but for the last token of the prompt, which is always
 * computed. A block becomes visible to others at the end of the step that computed it; what two sequences compute at the
 * same time is computed twice. Answers are not cached. An idle engine starts a step at the moment a request comes.
 *
 * <p>It takes requests that carry a {@link SimulatedPrompt} and {@code max_tokens}, and answers with that many tokens. Of
 * the answer it sends the first chunk and the last, with {@code usage} and its cached tokens, and nothing in between: times
 * to first token and to the end are those of a real stream, the times between tokens can only be had as their mean. It
 * does not pause for want of demand, but keeps the two chunks until they are asked for.
 *
 * <p>Not thread-safe: it belongs to the thread that runs its {@link VirtualTime}.
 */
public final class SimulatedEngine implements LlmBackend {
    private static final double NANOS_PER_SECOND = 1e9;

    private final EngineModel model;
    private final DoubleUnaryOperator speed;
    private final VirtualTime time;
    private final PromptShape.Known prompts;
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
    private int starts;
    private boolean stepping;
    private long stepEnds;
    private boolean anyCancelled;
    /** What a request gets instead of a place in the queue; null when the engine takes them. */
    private @Nullable String refusal;

    private boolean frozen;
    /** A step came to its end while the engine was frozen. */
    private boolean stepHeld;
    /** Goes up when the engine crashes, so that the step of before means nothing. */
    private int life;

    private boolean closed;

    /**
     * An idle engine with an empty cache.
     *
     * @param model what its steps take
     * @param kvBlocks KV memory in blocks of {@value SimulatedPrompt#BLOCK_TOKENS} tokens, at least 1
     * @param speed a factor on its speed, above 0: 0.5 takes twice as long for every step
     * @param time what it runs on
     */
    public SimulatedEngine(EngineModel model, int kvBlocks, double speed, VirtualTime time) {
        this(model, kvBlocks, seconds -> speed, time, PromptShape.Known.NONE, null);
        if (!(speed > 0) || Double.isInfinite(speed)) {
            throw new IllegalArgumentException("speed must be a finite number above 0, got " + speed);
        }
    }

    SimulatedEngine(
            EngineModel model,
            int kvBlocks,
            DoubleUnaryOperator speed,
            VirtualTime time,
            PromptShape.Known prompts,
            @Nullable BlockTable pooled) {
        if (kvBlocks < 1) {
            throw new IllegalArgumentException("kvBlocks must be at least 1, got " + kvBlocks);
        }
        this.model = model;
        this.speed = speed;
        this.time = time;
        this.prompts = prompts;
        this.pooled = pooled;
        this.kv = new KvBlocks(kvBlocks, pooled);
    }

    @Override
    public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
        CompletionRequest request = attempt.request();
        PromptShape prompt = prompts.of(request);
        int outputTokens = request.maxTokens().orElse(0);
        starts++;
        if (closed) {
            return refuse(sink, Reason.UNAVAILABLE, "the simulated engine is closed");
        }
        if (refusal != null) {
            return refuse(sink, Reason.UNAVAILABLE, refusal);
        }
        if (prompt == null || outputTokens < 1) {
            return refuse(
                    sink,
                    Reason.INVALID_REQUEST,
                    "a simulated engine needs a SimulatedPrompt in the extra fields and maxTokens of at least 1");
        }
        Sequence sequence = new Sequence(this, prompt, outputTokens, sink);
        if (sequence.blocks() > kv.capacity()) {
            return refuse(
                    sink,
                    Reason.CONTEXT_LENGTH_EXCEEDED,
                    "prompt and answer need " + sequence.blocks() + " blocks of KV memory, there are " + kv.capacity());
        }
        waiting.add(sequence);
        waitingPromptTokens += sequence.promptTokens;
        if (!stepping && !frozen) {
            startStep();
        }
        return sequence;
    }

    private static Generation refuse(GenerationSink sink, Reason reason, String message) {
        sink.failed(new LlmException(reason, message));
        return Generation.ENDED;
    }

    private void startStep() {
        int budget = model.maxBatchedTokens() - decoding.size();
        long tokens = 0;
        double pairs = 0;
        long context = 0;
        for (Sequence sequence : prefilling) {
            budget -= plan(sequence, budget);
        }
        while (budget > 0 && decoding.size() + prefilling.size() < model.maxSequences()) {
            Sequence next = waiting.peek();
            if (next == null || !kv.admit(next)) {
                break;
            }
            waiting.remove();
            waitingPromptTokens -= next.promptTokens;
            prefilling.add(next);
            budget -= plan(next, budget);
        }
        stepping = !decoding.isEmpty() || !prefilling.isEmpty();
        if (!stepping) {
            return;
        }
        for (Sequence sequence : prefilling) {
            if (sequence.chunk > 0) {
                tokens += sequence.chunk;
                pairs += StepLoad.attention(sequence.chunk, sequence.computedTokens);
                context += sequence.computedTokens;
            }
        }
        prefilledTokens += tokens;
        double seconds = model.cost().stepSeconds(new StepLoad(tokens, pairs, context, decoding.size(), contextTokens));
        double factor = speed.applyAsDouble(time.nanos() / NANOS_PER_SECOND);
        long nanos = Math.round(seconds / factor * NANOS_PER_SECOND);
        stepEnds = time.nanos() + nanos;
        int present = life;
        time.schedule("step", nanos, present == 0 ? this::endStep : () -> endStep(present));
    }

    private static int plan(Sequence sequence, int budget) {
        sequence.chunk = Math.max(0, Math.min(budget, sequence.promptTokens - sequence.computedTokens));
        return sequence.chunk;
    }

    private void endStep() {
        endStep(0);
    }

    private void endStep(int startedIn) {
        if (startedIn != life) {
            return;
        }
        if (frozen) {
            stepHeld = true;
            return;
        }
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
        startStep();
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
        for (Sequence sequence : running()) {
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

    private List<Sequence> running() {
        List<Sequence> running = new ArrayList<>(prefilling);
        running.addAll(decoding);
        return running;
    }

    /** From now on every request is refused at once; those the engine has go on. Until {@link #restart}. */
    public void refuse() {
        refusal = "the simulated engine refuses";
    }

    /** Everything in the engine fails, its cache is lost, and requests are refused at once. Until {@link #restart}. */
    public void crash() {
        refusal = "the simulated engine is down";
        life++;
        fail("the simulated engine crashed");
        kv = new KvBlocks(kv.capacity(), pooled);
        stepping = false;
        stepHeld = false;
        frozen = false;
    }

    /** Nothing happens in the engine any more: it takes requests and says nothing. Until {@link #restart}. */
    public void freeze() {
        frozen = true;
    }

    /** Ends what {@link #refuse}, {@link #crash} or {@link #freeze} began. */
    public void restart() {
        refusal = null;
        frozen = false;
        if (stepHeld) {
            stepHeld = false;
            endStep(life);
        } else if (!stepping && !waiting.isEmpty()) {
            startStep();
        }
    }

    private void fail(String why) {
        List<Sequence> unfinished = running();
        unfinished.addAll(waiting);
        unfinished.forEach(kv::release);
        waiting.clear();
        prefilling.clear();
        decoding.clear();
        contextTokens = 0;
        waitingPromptTokens = 0;
        anyCancelled = false;
        LlmException cause = new LlmException(Reason.UNAVAILABLE, why);
        unfinished.forEach(sequence -> sequence.tellFailed(cause));
    }

    /** {@return what the engine would say of its load now, as polled engines do} */
    public EngineReport report() {
        return EngineReport.builder(time.nanos())
                .running(prefilling.size() + decoding.size())
                .waiting(waiting.size())
                .kvUsage(kvUsage())
                .kvBlocks(kv.capacity())
                .blockTokens(SimulatedPrompt.BLOCK_TOKENS)
                .maxSequences(model.maxSequences())
                .waitingPromptTokens(waitingPromptTokens)
                .build();
    }

    double kvUsage() {
        return (double) kv.inUse() / kv.capacity();
    }

    int waitingRequests() {
        return waiting.size();
    }

    /** {@return how many blocks of the prompt its cache holds now} */
    int cachedBlocks(PromptShape prompt) {
        return kv.cachedBlocks(prompt);
    }

    /** {@return what an oracle may know; the collections are live and only to be read} */
    EngineInsight insight() {
        double left = stepping ? Math.max(0, stepEnds - time.nanos()) / NANOS_PER_SECOND : 0;
        double factor = speed.applyAsDouble(time.nanos() / NANOS_PER_SECOND);
        return new EngineInsight(model, kv, left, factor, waiting, prefilling, decoding, contextTokens, steps);
    }

    /** {@return requests in the engine, waiting or running} */
    public int requests() {
        return waiting.size() + prefilling.size() + decoding.size();
    }

    /** {@return prompt tokens computed so far, those of the running step included} */
    public long prefilledTokens() {
        return prefilledTokens;
    }

    /** {@return attempts it was asked to start, those it refused included} */
    public int starts() {
        return starts;
    }

    /** {@return KV blocks held by requests now; what is merely cached does not count} */
    public int kvBlocksInUse() {
        return kv.inUse();
    }

    /** Throws unless the engine's books agree with what is in it. */
    void verify() {
        kv.verify(running());
        long context = 0;
        for (Sequence sequence : decoding) {
            context += sequence.promptTokens + sequence.outputTokens - (sequence.lastStep - steps);
        }
        if (context != contextTokens) {
            throw new IllegalStateException("context tokens are " + context + ", counted as " + contextTokens);
        }
    }

    @Override
    public CompletionStage<ProbeResult> probe(Duration timeout) {
        if (frozen) {
            CompletableFuture<ProbeResult> answer = new CompletableFuture<>();
            ProbeResult silence = new ProbeResult(ProbeResult.Status.UNHEALTHY, "no answer within " + timeout);
            time.schedule("probe", timeout.toNanos(), () -> answer.complete(silence));
            return answer;
        }
        String wrong = closed ? "closed" : refusal;
        return CompletableFuture.completedFuture(
                wrong == null ? ProbeResult.READY : new ProbeResult(ProbeResult.Status.UNHEALTHY, wrong));
    }

    @Override
    public BackendTraits traits() {
        return BackendTraits.builder()
                .operations(Operation.TEXT, Operation.CHAT)
                .kvCapacityTokens((long) kv.capacity() * SimulatedPrompt.BLOCK_TOKENS)
                .build();
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            life++;
            fail("the simulated engine was closed");
        }
    }

    @Override
    public String toString() {
        return "SimulatedEngine{waiting=" + waiting.size() + ", prefilling=" + prefilling.size() + ", decoding="
                + decoding.size() + ", " + kv + "}";
    }
}
