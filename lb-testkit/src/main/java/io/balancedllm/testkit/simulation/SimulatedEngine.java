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
    private final Batch batch;
    private int starts;
    private boolean stepping;
    private long stepEnds;
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
        this.batch = new Batch(model, kvBlocks, pooled);
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
        Sequence sequence = new Sequence(batch, prompt, outputTokens, sink);
        int capacity = batch.kv().capacity();
        if (sequence.blocks() > capacity) {
            return refuse(
                    sink,
                    Reason.CONTEXT_LENGTH_EXCEEDED,
                    "prompt and answer need " + sequence.blocks() + " blocks of KV memory, there are " + capacity);
        }
        batch.add(sequence);
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
        StepLoad load = batch.begin();
        stepping = load != null;
        if (load == null) {
            return;
        }
        double seconds = model.cost().stepSeconds(load);
        double factor = speed.applyAsDouble(time.nanos() / NANOS_PER_SECOND);
        long nanos = Math.round(seconds / factor * NANOS_PER_SECOND);
        stepEnds = time.nanos() + nanos;
        int present = life;
        time.schedule("step", nanos, present == 0 ? this::endStep : () -> endStep(present));
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
        batch.end();
        startStep();
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
        batch.forget();
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
        } else if (!stepping && batch.waiting() > 0) {
            startStep();
        }
    }

    private void fail(String why) {
        batch.fail(new LlmException(Reason.UNAVAILABLE, why));
    }

    /** {@return what the engine would say of its load now, as polled engines do} */
    public EngineReport report() {
        return EngineReport.builder(time.nanos())
                .running(batch.running())
                .waiting(batch.waiting())
                .kvUsage(kvUsage())
                .kvBlocks(batch.kv().capacity())
                .blockTokens(SimulatedPrompt.BLOCK_TOKENS)
                .maxSequences(model.maxSequences())
                .waitingPromptTokens(batch.waitingPromptTokens())
                .build();
    }

    double kvUsage() {
        return (double) kvBlocksInUse() / batch.kv().capacity();
    }

    int waitingRequests() {
        return batch.waiting();
    }

    /** {@return how many blocks of the prompt its cache holds now} */
    int cachedBlocks(PromptShape prompt) {
        return batch.kv().cachedBlocks(prompt);
    }

    /** {@return what an oracle may know; the collections are live and only to be read} */
    EngineInsight insight() {
        double left = stepping ? Math.max(0, stepEnds - time.nanos()) / NANOS_PER_SECOND : 0;
        double factor = speed.applyAsDouble(time.nanos() / NANOS_PER_SECOND);
        return batch.insight(left, factor);
    }

    /** {@return requests in the engine, waiting or running} */
    public int requests() {
        return batch.waiting() + batch.running();
    }

    /** {@return prompt tokens computed so far, those of the running step included} */
    public long prefilledTokens() {
        return batch.prefilledTokens();
    }

    /** {@return attempts it was asked to start, those it refused included} */
    public int starts() {
        return starts;
    }

    /** {@return KV blocks held by requests now; what is merely cached does not count} */
    public int kvBlocksInUse() {
        return batch.kv().inUse();
    }

    /** Throws unless the engine's books agree with what is in it. */
    void verify() {
        batch.verify();
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
                .kvCapacityTokens((long) batch.kv().capacity() * SimulatedPrompt.BLOCK_TOKENS)
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
        return "SimulatedEngine{" + batch + "}";
    }
}
