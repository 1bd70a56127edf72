/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionCollector;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** Collects a whole completion. Delivers nothing before its end, so it survives an endpoint that dies mid-stream. */
final class CollectingOutput implements Output {
    private final Operation operation;
    private final Executor completer;
    private final CompletableFuture<Completion> future = new CompletableFuture<>();
    private CompletionCollector collector;
    private @Nullable Completion whole;

    /** An output whose future is completed on {@code completer}. */
    CollectingOutput(Operation operation, Executor completer) {
        this.operation = operation;
        this.completer = completer;
        this.collector = new CompletionCollector(operation);
    }

    CompletableFuture<Completion> future() {
        return future;
    }

    @Override
    public int initialDemand() {
        return Integer.MAX_VALUE;
    }

    @Override
    public boolean whole(Completion answer) {
        whole = answer;
        return true;
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        collector.add(chunk);
    }

    @Override
    public boolean discard() {
        collector = new CompletionCollector(operation);
        return true;
    }

    @Override
    public String partialText() {
        return collector.text();
    }

    @Override
    public Runnable completed(DecisionRecord decision) {
        Completion answer = whole == null ? collector.completion() : whole;
        Completion completion = answer.newBuilder().decision(decision).build();
        return () -> completer.execute(() -> future.complete(completion));
    }

    @Override
    public void failed(LlmException failure, DecisionRecord decision) {
        completer.execute(() -> future.completeExceptionally(failure));
    }
}
