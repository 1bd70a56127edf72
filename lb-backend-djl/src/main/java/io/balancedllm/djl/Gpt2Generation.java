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
import java.util.concurrent.atomic.AtomicLong;

/**
 * One running request with all its choices. {@link #request} and {@link #cancel} come from any thread; the engine thread
 * does the rest, and is the only one to end it once the engine has taken it.
 */
final class Gpt2Generation implements Generation {
    private static final long UNLIMITED = 1L << 61;

    private final Engine engine;
    private final GenerationSink sink;
    private final String id;
    private final String model;
    private final Operation operation;
    private final Gpt2Request request;
    private final boolean[] begun;
    private final AtomicLong demand = new AtomicLong();
    private volatile boolean cancelled;
    private boolean accepted;
    private boolean ended;
    private int unfinished;
    private int newTokens;
    private int cachedTokens;

    Gpt2Generation(
            Engine engine, GenerationSink sink, String id, String model, Operation operation, Gpt2Request request) {
        this.engine = engine;
        this.sink = sink;
        this.id = id;
        this.model = model;
        this.operation = operation;
        this.request = request;
        unfinished = request.prompts().size() * request.n();
        begun = new boolean[unfinished];
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

    /** {@return whether nothing more is to be computed; a cancelled generation ends here} */
    boolean ended() {
        if (cancelled && !ended) {
            ended = true;
            sink.cancelled();
        }
        return ended;
    }

    /** Takes the right to emit one chunk. */
    boolean takeDemand() {
        return demand.getAndUpdate(now -> now > 0 && now < UNLIMITED ? now - 1 : now) > 0;
    }

    void returnDemand() {
        demand.updateAndGet(now -> now < UNLIMITED ? now + 1 : now);
    }

    /** A choice begins; the first one tells the cached tokens of its prompt. */
    void admitted(Sequence sequence, int cached) {
        if (!accepted) {
            accepted = true;
            sink.accepted(ResponseInfo.IN_PROCESS);
        }
        if (sequence.index() % request.n() == 0) {
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
        if (operation == Operation.CHAT && !begun[sequence.index()]) {
            chunk.role(Role.ASSISTANT);
        }
        begun[sequence.index()] = true;
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

    void fail(LlmException cause) {
        if (!ended) {
            ended = true;
            sink.failed(cause);
        }
    }

    private Usage usage() {
        int promptTokens =
                request.prompts().stream().mapToInt(prompt -> prompt.length).sum();
        return Usage.builder(promptTokens, newTokens).cachedTokens(cachedTokens).build();
    }
}
