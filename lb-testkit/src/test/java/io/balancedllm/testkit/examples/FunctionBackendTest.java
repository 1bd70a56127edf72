/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.FinishReason;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** A backend of one's own: anything that makes a text of a request. */
class FunctionBackendTest {
    /** Answers with what a function returns, in one chunk. The function runs on an executor and may block. */
    static final class FunctionBackend implements LlmBackend {
        private final Function<CompletionRequest, String> function;
        private final Executor executor;
        private final Set<Answer> running = ConcurrentHashMap.newKeySet();

        FunctionBackend(Function<CompletionRequest, String> function, Executor executor) {
            this.function = function;
            this.executor = executor;
        }

        @Override
        public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
            Answer answer = new Answer(sink);
            running.add(answer);
            executor.execute(() -> {
                try {
                    answer.text.complete(function.apply(attempt.request()));
                } catch (RuntimeException e) {
                    answer.text.completeExceptionally(e);
                }
            });
            return answer;
        }

        @Override
        public CompletionStage<ProbeResult> probe(Duration timeout) {
            return CompletableFuture.completedFuture(ProbeResult.READY);
        }

        @Override
        public void close() {
            running.forEach(answer -> answer.end(
                    () -> answer.sink.failed(new LlmException(Reason.UNAVAILABLE, "the backend was closed"))));
        }

        private final class Answer implements Generation {
            final GenerationSink sink;
            final CompletableFuture<String> text = new CompletableFuture<>();
            private final AtomicBoolean asked = new AtomicBoolean();
            private final AtomicBoolean ended = new AtomicBoolean();

            Answer(GenerationSink sink) {
                this.sink = sink;
            }

            @Override
            public void request(int chunks) {
                if (asked.compareAndSet(false, true)) { // no chunk before one is asked for
                    CompletableFuture<Boolean> unused = text.handle((answer, failure) -> end(() -> {
                        if (failure == null) {
                            sink.chunk(CompletionChunk.Delta.builder(0)
                                    .content(answer)
                                    .finishReason(FinishReason.STOP)
                                    .build());
                            sink.completed();
                        } else {
                            sink.failed(LlmException.builder(Reason.SERVER_ERROR, "the function failed")
                                    .cause(failure)
                                    .build());
                        }
                    }));
                }
            }

            @Override
            public void cancel() {
                end(sink::cancelled);
            }

            /** One end, whoever comes first: the answer, a cancel, or close. */
            boolean end(Runnable terminal) {
                boolean first = ended.compareAndSet(false, true);
                if (first) {
                    running.remove(this);
                    terminal.run();
                }
                return first;
            }
        }
    }

    @Test
    void aFunctionAnswersAndItsFailureIsRetriedElsewhere() {
        try (BalancedLlm llm = BalancedLlm.builder()
                .endpoint("broken", new FunctionBackend(request -> fail(), Runnable::run))
                .endpoint("works", new FunctionBackend(request -> "There was a function.", Runnable::run))
                .routing((call, candidates) -> candidates.get(0))
                .build()) {
            assertThat(llm.complete(CompletionRequest.of("Once")).text()).isEqualTo("There was a function.");

            llm.pool().remove("works");

            assertThatThrownBy(() -> llm.complete(CompletionRequest.of("Once")))
                    .hasMessageContaining("the function failed")
                    .hasMessageContaining("endpoint broken");
        }
    }

    private static String fail() {
        throw new IllegalStateException("no idea");
    }
}
