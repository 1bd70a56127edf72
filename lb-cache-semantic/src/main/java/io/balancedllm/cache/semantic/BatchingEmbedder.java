/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** Embeds what waits at the same time together. One batch runs at a time. */
final class BatchingEmbedder extends ForwardingEmbedder {
    private final Executor executor;
    private final int maximumBatch;
    private final int queueLimit;
    private final ReentrantLock lock = new ReentrantLock();
    private final ArrayDeque<Ask> waiting = new ArrayDeque<>();
    private int waitingTexts;
    private boolean running;

    BatchingEmbedder(Embedder embedder, Executor executor, int maximumBatch, int queueLimit) {
        super(embedder);
        this.executor = executor;
        this.maximumBatch = maximumBatch;
        this.queueLimit = queueLimit;
    }

    @Override
    public CompletionStage<List<Embedding>> embed(List<String> texts) {
        Ask ask = new Ask(List.copyOf(texts), new CompletableFuture<>());
        boolean start;
        lock.lock();
        try {
            if (waitingTexts + texts.size() > queueLimit) {
                return CompletableFuture.failedStage(
                        new RejectedExecutionException(queueLimit + " texts wait for the embedder already"));
            }
            waiting.add(ask);
            waitingTexts += texts.size();
            start = !running;
            running = true;
        } finally {
            lock.unlock();
        }
        if (start) {
            next();
        }
        return ask.answer;
    }

    private void next() {
        try {
            executor.execute(this::runBatch);
        } catch (RejectedExecutionException e) {
            for (List<Ask> batch = take(); batch != null; batch = take()) {
                batch.forEach(ask -> ask.answer.completeExceptionally(e));
            }
        }
    }

    /** {@return what is computed next; null, and the end of the run, when nothing waits} */
    private @Nullable List<Ask> take() {
        lock.lock();
        try {
            List<Ask> batch = new ArrayList<>();
            int texts = 0;
            while (!waiting.isEmpty()
                    && (batch.isEmpty() || texts + waiting.peek().texts.size() <= maximumBatch)) {
                Ask ask = waiting.remove();
                texts += ask.texts.size();
                batch.add(ask);
            }
            waitingTexts -= texts;
            running = !batch.isEmpty();
            return running ? batch : null;
        } finally {
            lock.unlock();
        }
    }

    private void runBatch() {
        List<Ask> batch = take();
        if (batch == null) {
            return;
        }
        List<String> texts = batch.stream().flatMap(ask -> ask.texts.stream()).toList();
        CompletionStage<List<Embedding>> stage;
        try {
            stage = embedder.embed(texts);
        } catch (RuntimeException e) {
            stage = CompletableFuture.failedStage(e);
        }
        stage.whenComplete((embeddings, failure) -> {
            next();
            hand(batch, texts.size(), embeddings, failure);
        });
    }

    private static void hand(
            List<Ask> batch, int texts, @Nullable List<Embedding> embeddings, @Nullable Throwable failure) {
        int from = 0;
        for (Ask ask : batch) {
            if (failure != null) {
                ask.answer.completeExceptionally(failure);
            } else if (embeddings == null || embeddings.size() != texts) {
                ask.answer.completeExceptionally(
                        new IllegalStateException("asked for " + texts + " embeddings, got another number"));
            } else {
                ask.answer.complete(List.copyOf(embeddings.subList(from, from + ask.texts.size())));
                from += ask.texts.size();
            }
        }
    }

    private record Ask(List<String> texts, CompletableFuture<List<Embedding>> answer) {}
}
