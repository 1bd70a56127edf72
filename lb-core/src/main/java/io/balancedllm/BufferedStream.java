/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionCollector;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A stream that one thread reads from the buffer of its call. */
final class BufferedStream implements CompletionStream {
    private final ChunkBuffer buffer;
    private final Ongoing call;
    private final CompletionCollector collector;
    private final Iterator<CompletionChunk> iterator = new ChunkIterator();

    BufferedStream(ChunkBuffer buffer, Ongoing call) {
        this.buffer = buffer;
        this.call = call;
        this.collector = new CompletionCollector(call.operation());
    }

    @Override
    public Iterator<CompletionChunk> iterator() {
        return iterator;
    }

    @Override
    public Completion completion() {
        while (iterator.hasNext()) {
            iterator.next();
        }
        return collector.completion().newBuilder().decision(buffer.decision()).build();
    }

    @Override
    public Optional<DecisionRecord> decision() {
        return Optional.ofNullable(buffer.decision());
    }

    @Override
    public void close() {
        call.cancel("the stream was closed before its end");
    }

    private final class ChunkIterator implements Iterator<CompletionChunk> {
        private @Nullable CompletionChunk next;

        @Override
        public boolean hasNext() {
            if (next == null) {
                next = take();
            }
            return next != null;
        }

        @Override
        public CompletionChunk next() {
            if (!hasNext() || next == null) {
                throw new NoSuchElementException("the stream has ended");
            }
            CompletionChunk chunk = next;
            next = null;
            collector.add(chunk);
            return chunk;
        }

        private @Nullable CompletionChunk take() {
            CompletionChunk chunk;
            try {
                chunk = buffer.take();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                call.cancel("the reading thread was interrupted");
                throw new LlmException(
                        LlmException.Reason.CANCELLED,
                        "the reading thread was interrupted; call " + call.id() + " is cancelled");
            }
            LlmException failure = chunk == null ? buffer.failure() : null;
            if (failure != null) {
                throw failure;
            }
            return chunk;
        }
    }
}
