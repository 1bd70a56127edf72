/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The chunks between a call and its reader. Holds at most {@link #WINDOW} chunks, because no more are asked for; asks
 * for more as the reader takes them. What the reader has taken is delivered, and from then on nothing can be discarded:
 * so chunks that come before the first output (a role, an empty text) are shown to the reader only together with it.
 */
final class ChunkBuffer implements Output {
    /** Chunks asked for ahead of the reader. */
    static final int WINDOW = 32;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<CompletionChunk> chunks = new ArrayDeque<>(WINDOW);
    private final Runnable onChange;
    private final StringBuilder text = new StringBuilder();
    private IntConsumer demand = chunks -> {};
    /** Whether the reader may take: chunks without output stay hidden until one with output has come. */
    private boolean visible;

    private boolean delivered;
    private int takenSinceRequest;
    private boolean ended;
    private @Nullable LlmException failure;
    private @Nullable DecisionRecord decision;

    /** A buffer that runs {@code onChange}, which must not block, after each chunk and at the end. */
    ChunkBuffer(Runnable onChange) {
        this.onChange = onChange;
    }

    /** Sets whom to ask for more chunks. */
    void demand(IntConsumer demand) {
        this.demand = demand;
    }

    @Override
    public int initialDemand() {
        return WINDOW;
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        lock.lock();
        try {
            chunks.add(chunk);
            visible |= chunk.hasOutput() || chunks.size() >= WINDOW;
            if (chunk instanceof CompletionChunk.Delta delta && delta.index() == 0) {
                text.append(delta.text());
            }
            changed.signal();
        } finally {
            lock.unlock();
        }
        onChange.run();
    }

    @Override
    public boolean discard() {
        lock.lock();
        try {
            if (delivered) {
                return false;
            }
            chunks.clear();
            text.setLength(0);
            visible = false;
            return true;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public boolean delivered() {
        lock.lock();
        try {
            return delivered;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public String partialText() {
        lock.lock();
        try {
            return text.toString();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public Runnable completed(DecisionRecord decision) {
        return () -> end(null, decision);
    }

    @Override
    public void failed(LlmException failure, DecisionRecord decision) {
        end(failure, decision);
    }

    private void end(@Nullable LlmException failure, DecisionRecord decision) {
        lock.lock();
        try {
            this.ended = true;
            this.visible = true;
            this.failure = failure;
            this.decision = decision;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        onChange.run();
    }

    /** {@return the next chunk, or null when there is none now} */
    @Nullable
    CompletionChunk poll() {
        CompletionChunk chunk;
        int request;
        lock.lock();
        try {
            chunk = visible ? chunks.poll() : null;
            request = taken(chunk);
        } finally {
            lock.unlock();
        }
        ask(request);
        return chunk;
    }

    /** Waits for the next chunk; null at the end. */
    @Nullable
    CompletionChunk take() throws InterruptedException {
        CompletionChunk chunk;
        int request;
        lock.lockInterruptibly();
        try {
            while (!ended && (chunks.isEmpty() || !visible)) {
                changed.await();
            }
            chunk = chunks.poll();
            request = taken(chunk);
        } finally {
            lock.unlock();
        }
        ask(request);
        return chunk;
    }

    private int taken(@Nullable CompletionChunk chunk) {
        if (chunk == null) {
            return 0;
        }
        delivered = true;
        if (++takenSinceRequest < WINDOW / 2) {
            return 0;
        }
        int request = takenSinceRequest;
        takenSinceRequest = 0;
        return request;
    }

    private void ask(int request) {
        if (request > 0) {
            demand.accept(request);
        }
    }

    /** {@return whether the end was reached and every chunk taken} */
    boolean exhausted() {
        lock.lock();
        try {
            return ended && chunks.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** {@return the error it ended with; null before the end and after a good one} */
    @Nullable
    LlmException failure() {
        lock.lock();
        try {
            return failure;
        } finally {
            lock.unlock();
        }
    }

    /** {@return who served it; null before the end} */
    @Nullable
    DecisionRecord decision() {
        lock.lock();
        try {
            return decision;
        } finally {
            lock.unlock();
        }
    }
}
