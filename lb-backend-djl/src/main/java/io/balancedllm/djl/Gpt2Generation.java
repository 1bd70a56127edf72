/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Logprobs;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Role;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.ResponseInfo;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * One running request with all its choices. {@link #request} and {@link #cancel} come from any thread; the engine thread
 * does the rest, and is the only one to end it once the engine has taken it.
 */
final class Gpt2Generation implements Generation {
    private static final long UNLIMITED = 1L << 61;

    private final GenerationSink sink;
    private final String id;
    private final String model;
    private final Operation operation;
    private final Gpt2Request request;
    private final int priority;
    private final long deadline;
    private final boolean hasDeadline;
    private final boolean[] opened;
    private final boolean[] counted;
    private final AtomicLong demand = new AtomicLong();
    private volatile Engine engine;
    private volatile boolean cancelled;
    private volatile boolean begun;
    private boolean accepted;
    private List<Work> works = List.of();
    private final float[][] vectors;
    private boolean ended;
    private int unfinished;
    private int newTokens;
    private int cachedTokens;

    /**
     * A generation that has not begun.
     *
     * @param priority how urgent it is, more is sooner
     * @param remaining what is left until its deadline, null where there is none
     */
    Gpt2Generation(
            Engine engine,
            GenerationSink sink,
            String id,
            String model,
            Operation operation,
            Gpt2Request request,
            int priority,
            @Nullable Duration remaining) {
        this.engine = engine;
        this.sink = sink;
        this.id = id;
        this.model = model;
        this.operation = operation;
        this.request = request;
        this.priority = priority;
        hasDeadline = remaining != null;
        deadline = remaining == null ? 0 : engine.nanos() + remaining.toNanos();
        unfinished = request.prompts().size() * request.n();
        opened = new boolean[unfinished];
        vectors = new float[unfinished][];
        counted = new boolean[request.prompts().size()];
    }

    void works(List<Work> all) {
        works = List.copyOf(all);
    }

    List<Work> works() {
        return works;
    }

    int priority() {
        return priority;
    }

    /** {@return whether one of its works runs or ran} */
    boolean begun() {
        return begun;
    }

    /** One of its works begins: from now on they stay in this engine. */
    void begin() {
        begun = true;
    }

    /** {@return seconds until its deadline, infinite where there is none} */
    double secondsLeft(long nowNanos) {
        return hasDeadline ? (deadline - nowNanos) / 1e9 : Double.POSITIVE_INFINITY;
    }

    /** It goes on in another engine, whose thread calls this. */
    void moveTo(Engine other) {
        engine = other;
    }

    @Override
    public void request(int chunks) {
        long more = chunks == Integer.MAX_VALUE ? UNLIMITED : chunks;
        demand.updateAndGet(now -> Math.min(now + more, UNLIMITED));
        engine.wake();
    }

    @Override
    public void cancel() {
        cancelled = true;
        engine.wake();
    }

    /** {@return whether nothing more is to be computed} */
    boolean ending(long nowNanos) {
        return ended || cancelled || secondsLeft(nowNanos) <= 0;
    }

    /** {@return whether nothing more is to be computed; what is cancelled or too late ends here} */
    boolean ended(long nowNanos) {
        if (cancelled && !ended) {
            ended = true;
            sink.cancelled();
        } else if (secondsLeft(nowNanos) <= 0) {
            fail(new LlmException(
                    LlmException.Reason.DEADLINE_EXCEEDED,
                    "the call's timeout passed " + (begun ? "while it was generated" : "before its turn came")));
        }
        return ended;
    }

    /** {@return whether a chunk may be emitted} */
    boolean hasDemand() {
        return demand.get() > 0;
    }

    /** Takes the right to emit one chunk. */
    boolean takeDemand() {
        return demand.getAndUpdate(now -> now > 0 && now < UNLIMITED ? now - 1 : now) > 0;
    }

    void returnDemand() {
        demand.updateAndGet(now -> now < UNLIMITED ? now + 1 : now);
    }

    /** A choice begins or goes on; the first one of a prompt tells its cached tokens when it begins. */
    void admitted(Sequence sequence, int cached) {
        if (!accepted) {
            accepted = true;
            sink.accepted(ResponseInfo.IN_PROCESS);
        }
        int prompt = sequence.index() / request.n();
        if (sequence.index() % request.n() == 0 && !counted[prompt]) {
            counted[prompt] = true;
            cachedTokens += cached;
        }
    }

    void emit(Sequence sequence, Sequence.Emission emission) {
        if (ended) {
            return;
        }
        CompletionChunk.Delta.Builder chunk = CompletionChunk.Delta.builder(sequence.index())
                .id(id)
                .model(model)
                .content(emission.text())
                .finishReason(emission.finishReason());
        if (!emission.logprobs().isEmpty()) {
            chunk.logprobs(new Logprobs(emission.logprobs()));
        }
        if (operation == Operation.CHAT && !opened[sequence.index()]) {
            chunk.role(Role.ASSISTANT);
        }
        opened[sequence.index()] = true;
        if (emission.finishReason() != null) {
            newTokens += sequence.newTokens();
            unfinished--;
        }
        if (unfinished == 0) {
            chunk.usage(usage());
        }
        sink.chunk(chunk.build());
        if (unfinished == 0) {
            ended = true;
            sink.completed();
        }
    }

    /** A text has its vector. */
    void embedded(Sequence sequence, float[] vector) {
        vectors[sequence.index()] = vector;
        unfinished--;
        if (unfinished == 0 && !ended && sink instanceof VectorSink to) {
            ended = true;
            to.vectors(List.of(vectors), usage());
        }
    }

    void fail(LlmException cause) {
        if (!ended) {
            ended = true;
            sink.failed(cause);
        }
    }

    private Usage usage() {
        int promptTokens = request.prompts().stream()
                .mapToInt(prompt -> prompt.ids().length)
                .sum();
        return Usage.builder(promptTokens, newTokens).cachedTokens(cachedTokens).build();
    }
}
