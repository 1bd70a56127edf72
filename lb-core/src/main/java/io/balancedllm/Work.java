/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.LlmBackend;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/** What a call asks of a backend. */
sealed interface Work {
    Operation operation();

    /** {@return the model asked for, null for the only one there is} */
    @Nullable
    String model();

    /** {@return the request when it is one for a completion} */
    Optional<CompletionRequest> completionRequest();

    /** Starts an attempt whose backend knows the model as {@code upstream}. */
    Generation start(LlmBackend backend, @Nullable String upstream, Terms terms, AttemptRun sink);

    /** What an attempt is made with, beside its request. */
    record Terms(
            CallOptions options,
            String callId,
            int number,
            Map<String, String> headers,
            @Nullable Duration remaining) {
        <R> Attempt<R> attempt(R request) {
            return new Attempt<>(request, options, callId, number, headers, remaining);
        }
    }

    /** A completion. */
    record OfCompletion(CompletionRequest request) implements Work {
        @Override
        public Operation operation() {
            return request.operation();
        }

        @Override
        public @Nullable String model() {
            return request.model().orElse(null);
        }

        @Override
        public Optional<CompletionRequest> completionRequest() {
            return Optional.of(request);
        }

        @Override
        public Generation start(LlmBackend backend, @Nullable String upstream, Terms terms, AttemptRun sink) {
            CompletionRequest renamed = upstream == null || Objects.equals(upstream, model())
                    ? request
                    : request.newBuilder().model(upstream).build();
            return backend.start(terms.attempt(renamed), sink);
        }
    }

    /** Embeddings. */
    record OfEmbeddings(EmbeddingRequest request) implements Work {
        @Override
        public Operation operation() {
            return Operation.EMBEDDINGS;
        }

        @Override
        public @Nullable String model() {
            return request.model().orElse(null);
        }

        @Override
        public Optional<CompletionRequest> completionRequest() {
            return Optional.empty();
        }

        @Override
        public Generation start(LlmBackend backend, @Nullable String upstream, Terms terms, AttemptRun sink) {
            EmbeddingRequest renamed = upstream == null || Objects.equals(upstream, model())
                    ? request
                    : request.newBuilder().model(upstream).build();
            // The backend's own future is the one to cancel: a cancel does not travel up from a dependent one.
            CompletableFuture<Embeddings> future =
                    backend.embed(terms.attempt(renamed)).toCompletableFuture();
            CompletableFuture<Embeddings> unused = future.whenComplete((embeddings, failure) -> {
                if (failure == null) {
                    sink.embeddings(embeddings);
                    sink.completed();
                } else {
                    fail(failure, sink);
                }
            });
            return new Generation() {
                @Override
                public void request(int chunks) {}

                @Override
                public void cancel() {
                    future.cancel(true);
                }
            };
        }

        private static void fail(Throwable failure, AttemptRun sink) {
            Throwable cause =
                    failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
            if (cause instanceof CancellationException) {
                sink.cancelled();
            } else if (cause instanceof LlmException typed) {
                sink.failed(typed);
            } else {
                sink.failed(Failures.defect("the backend's embed stage failed with " + cause, cause));
            }
        }
    }
}
