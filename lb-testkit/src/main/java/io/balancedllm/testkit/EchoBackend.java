/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ResponseInfo;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Answers with the words of the prompt, or of the last message of a chat; a token is a word. The smallest backend that
 * keeps every promise of {@link LlmBackend}: read it before writing another. Thread-safe.
 *
 * <pre>{@code
 * LlmBackend echo = new EchoBackend();
 * RecordingSink.start(echo, CompletionRequest.of("Once upon a time")).requestAll();
 * }</pre>
 */
public final class EchoBackend implements LlmBackend {
    private final Executor executor;
    private final Set<Echo> running = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    /** A backend that works on the common pool. */
    public EchoBackend() {
        this(ForkJoinPool.commonPool());
    }

    /** A backend that works on this executor, which must refuse no task and is not closed here. */
    public EchoBackend(Executor executor) {
        this.executor = executor;
    }

    @Override
    public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
        CompletionRequest request = attempt.request();
        String text;
        if (request.prompt() instanceof Prompt.Chat chat) {
            text = chat.messages().get(chat.messages().size() - 1).text();
        } else if (request.prompt() instanceof Prompt.Text plain) {
            text = plain.text();
        } else {
            sink.failed(new LlmException(LlmException.Reason.UNSUPPORTED, "an echo takes one text or chat"));
            return Generation.ENDED;
        }
        Echo echo = new Echo(chunks(text, request.maxTokens().orElse(Integer.MAX_VALUE)), sink);
        running.add(echo);
        echo.wake();
        return echo;
    }

    private static Iterator<CompletionChunk> chunks(String text, int maxTokens) {
        List<String> words = text.isEmpty() ? List.of() : List.of(text.split("(?<=\\S)(?=\\s)", -1));
        int count = Math.min(words.size(), maxTokens);
        List<CompletionChunk> chunks = new ArrayList<>();
        words.subList(0, count).forEach(word -> chunks.add(CompletionChunk.text(0, word)));
        chunks.add(CompletionChunk.Delta.builder(0)
                .finishReason(count < words.size() ? FinishReason.LENGTH : FinishReason.STOP)
                .usage(Usage.builder(words.size(), count).build())
                .build());
        return chunks.iterator();
    }

    @Override
    public CompletionStage<ProbeResult> probe(Duration timeout) {
        return CompletableFuture.completedFuture(
                closed ? new ProbeResult(ProbeResult.Status.UNHEALTHY, "closed") : ProbeResult.READY);
    }

    @Override
    public BackendTraits traits() {
        return BackendTraits.builder()
                .operations(Operation.CHAT, Operation.TEXT)
                .build();
    }

    @Override
    public void close() {
        closed = true;
        running.forEach(Echo::wake);
    }

    /** One generation. Whoever raises {@code wakes} from 0 has it run, so one thread at a time calls the sink. */
    private final class Echo implements Generation, Runnable {
        private final Iterator<CompletionChunk> chunks;
        private final GenerationSink sink;
        private final AtomicInteger wakes = new AtomicInteger();
        private final AtomicLong demand = new AtomicLong();
        private volatile boolean cancelled;
        private boolean accepted; // this and the next are used by run() alone
        private boolean ended;

        Echo(Iterator<CompletionChunk> chunks, GenerationSink sink) {
            this.chunks = chunks;
            this.sink = sink;
        }

        @Override
        public void request(int more) {
            demand.addAndGet(more);
            wake();
        }

        @Override
        public void cancel() {
            cancelled = true;
            wake();
        }

        void wake() {
            if (wakes.getAndIncrement() == 0) {
                executor.execute(this);
            }
        }

        @Override
        public void run() {
            int seen;
            do {
                seen = wakes.get();
                while (!ended && step()) {}
            } while (wakes.addAndGet(-seen) != 0);
        }

        /** Does the next thing there is to do; false when there is nothing until the next wake. */
        private boolean step() {
            if (cancelled) {
                end(sink::cancelled);
            } else if (closed) {
                end(() -> sink.failed(new LlmException(LlmException.Reason.UNAVAILABLE, "the backend was closed")));
            } else if (!accepted) {
                accepted = true;
                sink.accepted(ResponseInfo.IN_PROCESS);
            } else if (!chunks.hasNext()) {
                end(sink::completed);
            } else if (demand.get() == 0) {
                return false;
            } else {
                demand.decrementAndGet();
                sink.chunk(chunks.next());
            }
            return true;
        }

        private void end(Runnable terminal) {
            ended = true;
            running.remove(this);
            terminal.run();
        }
    }
}
