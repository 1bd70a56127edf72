/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ResponseInfo;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A sink that keeps what it is given and notes every breach of the grammar of {@link GenerationSink}: two terminal
 * calls, calls after the end, chunks nobody asked for, calls at the same time. Thread-safe.
 *
 * <pre>{@code
 * RecordingSink sink = RecordingSink.start(backend, CompletionRequest.of("Once upon a time"));
 * sink.request(2);
 * sink.awaitChunks(2, Duration.ofSeconds(10));
 * }</pre>
 */
public final class RecordingSink implements GenerationSink {
    /** The calls a sink can get. */
    public enum Signal {
        /** {@link GenerationSink#accepted}. */
        ACCEPTED,
        /** {@link GenerationSink#alive}. */
        ALIVE,
        /** {@link GenerationSink#chunk}. */
        CHUNK,
        /** {@link GenerationSink#completed}. */
        COMPLETED,
        /** {@link GenerationSink#failed}. */
        FAILED,
        /** {@link GenerationSink#cancelled}. */
        CANCELLED;

        /** {@return whether nothing may follow it} */
        public boolean isTerminal() {
            return compareTo(COMPLETED) >= 0;
        }
    }

    private final Monitor monitor = new Monitor();
    private final AtomicInteger callsInside = new AtomicInteger();
    private final Consumer<RecordingSink> onChunk;
    private final List<Signal> signals = new ArrayList<>();
    private final List<CompletionChunk> chunks = new ArrayList<>();
    private final List<String> violations = new ArrayList<>();
    private long requested;
    private long owed;
    private boolean cancelOwed;
    private @Nullable Signal terminal;
    private @Nullable LlmException failure;
    private @Nullable ResponseInfo info;
    private @Nullable Generation generation;

    private RecordingSink(Consumer<RecordingSink> onChunk) {
        this.onChunk = onChunk;
    }

    /** {@return a sink that a first attempt of this request was started with; no chunk was asked for yet} */
    public static RecordingSink start(LlmBackend backend, CompletionRequest request) {
        return start(backend, Attempt.of(request), sink -> {});
    }

    /**
     * {@return a sink that this attempt was started with; no chunk was asked for yet}
     *
     * @param backend what to start it on
     * @param attempt what to start
     * @param onChunk called inside {@link GenerationSink#chunk}, where a balancer asks for more or cancels
     */
    public static RecordingSink start(
            LlmBackend backend, Attempt<CompletionRequest> attempt, Consumer<RecordingSink> onChunk) {
        RecordingSink sink = new RecordingSink(onChunk);
        sink.attach(backend.start(attempt, sink));
        return sink;
    }

    private void attach(Generation started) {
        long[] late = new long[1];
        boolean[] lateCancel = new boolean[1];
        monitor.update(() -> {
            generation = started;
            late[0] = owed;
            lateCancel[0] = cancelOwed;
        });
        if (late[0] > 0) {
            started.request((int) Math.min(Integer.MAX_VALUE, late[0]));
        }
        if (lateCancel[0]) {
            started.cancel();
        }
    }

    /** Allows this many more chunks. */
    public void request(int more) {
        Generation now = monitor.<@Nullable Generation>read(() -> {
            requested += more;
            if (generation == null) {
                owed += more;
            }
            return generation;
        });
        if (now != null) {
            now.request(more);
        }
    }

    /** Lifts the limit of chunks for good. */
    public void requestAll() {
        request(Integer.MAX_VALUE);
    }

    /** Cancels the generation. */
    public void cancel() {
        Generation now = monitor.<@Nullable Generation>read(() -> {
            cancelOwed = true;
            return generation;
        });
        if (now != null) {
            now.cancel();
        }
    }

    @Override
    public void accepted(ResponseInfo head) {
        record(Signal.ACCEPTED, () -> {
            if (signals.stream().anyMatch(signal -> signal != Signal.ALIVE)) {
                violations.add("accepted after " + signals);
            }
            info = head;
        });
    }

    @Override
    public void alive() {
        record(Signal.ALIVE, () -> {});
    }

    @Override
    public void chunk(CompletionChunk chunk) {
        record(Signal.CHUNK, () -> {
            chunks.add(chunk);
            if (chunks.size() > requested) {
                violations.add("chunk " + chunks.size() + " came with only " + requested + " asked for");
            }
        });
    }

    @Override
    public void completed() {
        record(Signal.COMPLETED, () -> {});
    }

    @Override
    public void failed(LlmException cause) {
        record(Signal.FAILED, () -> failure = cause);
    }

    @Override
    public void cancelled() {
        record(Signal.CANCELLED, () -> {
            if (!cancelOwed) {
                violations.add("cancelled though nobody cancelled");
            }
        });
    }

    private void record(Signal signal, Runnable details) {
        boolean overlaps = callsInside.getAndIncrement() != 0;
        monitor.update(() -> {
            if (overlaps) {
                violations.add(signal + " while another call was inside the sink");
            }
            if (terminal != null) {
                violations.add(signal + " after " + terminal);
            } else if (signal.isTerminal()) {
                terminal = signal;
            }
            details.run();
            signals.add(signal);
        });
        if (signal == Signal.CHUNK) {
            onChunk.accept(this);
        }
        callsInside.decrementAndGet();
    }

    /** {@return every call so far, in order} */
    public List<Signal> signals() {
        return monitor.read(() -> List.copyOf(signals));
    }

    /** {@return every chunk so far, in order} */
    public List<CompletionChunk> chunks() {
        return monitor.read(() -> List.copyOf(chunks));
    }

    /** {@return the text of all chunks so far} */
    public String text() {
        return chunks().stream().map(CompletionChunk::text).collect(Collectors.joining());
    }

    /** {@return the terminal call, if it came} */
    public Optional<Signal> terminal() {
        return monitor.read(() -> Optional.ofNullable(terminal));
    }

    /** {@return what the attempt failed with, if it did} */
    public Optional<LlmException> failure() {
        return monitor.read(() -> Optional.ofNullable(failure));
    }

    /** {@return the head of the response, if the attempt was accepted} */
    public Optional<ResponseInfo> info() {
        return monitor.read(() -> Optional.ofNullable(info));
    }

    /** {@return every breach of the grammar so far, in words; empty for a good backend} */
    public List<String> violations() {
        return monitor.read(() -> List.copyOf(violations));
    }

    /**
     * Waits until this many chunks have come.
     *
     * @param count how many in all
     * @param patience how long to wait, in real time
     * @throws AssertionError when they do not come in time, or the attempt ends with fewer
     */
    public void awaitChunks(int count, Duration patience) {
        boolean settled = monitor.await(patience, () -> chunks.size() >= count || terminal != null);
        if (!settled || chunks().size() < count) {
            throw new AssertionError(count + " chunks did not come within " + patience + ": " + this);
        }
    }

    /**
     * Waits for a call of this kind.
     *
     * @param signal which
     * @param patience how long to wait, in real time
     * @throws AssertionError when it does not come in time, or the attempt ends without
     */
    public void await(Signal signal, Duration patience) {
        boolean settled = monitor.await(patience, () -> signals.contains(signal) || terminal != null);
        if (!settled || !signals().contains(signal)) {
            throw new AssertionError(signal + " did not come within " + patience + ": " + this);
        }
    }

    /**
     * Waits for the end.
     *
     * @param patience how long to wait, in real time
     * @return the terminal call
     * @throws AssertionError when it does not come in time
     */
    public Signal awaitEnd(Duration patience) {
        if (!monitor.await(patience, () -> terminal != null)) {
            throw new AssertionError("no terminal call came within " + patience + ": " + this);
        }
        return terminal().orElseThrow();
    }

    @Override
    public String toString() {
        return monitor.read(() -> "RecordingSink{" + signals + (failure == null ? "" : ", " + failure) + ", requested="
                + requested + ", violations=" + violations + "}");
    }
}
