/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.cache.CacheOptions;
import io.balancedllm.cache.CompletionCache;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionChunk;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.CompletionStream;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Embeddings;
import io.balancedllm.completion.LlmException;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.event.LlmListener;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.metrics.LlmStatistics;
import io.balancedllm.prefix.PromptEncoder;
import io.balancedllm.resilience.AdmissionControl;
import io.balancedllm.resilience.HedgingPolicy;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.time.RandomSource;
import io.balancedllm.time.Scheduler;
import io.balancedllm.time.Ticker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * One LLM in front of many: spreads requests over the endpoints of a pool by a routing policy, repeats on another
 * endpoint what failed before anything was delivered, and says who served what and why. Thread-safe; one instance serves
 * an application.
 *
 * <pre>{@code
 * try (BalancedLlm llm = BalancedLlm.builder()
 *         .endpoint("gpu-1", OpenAiBackend.at("http://gpu-1:8000"))
 *         .endpoint("gpu-2", OpenAiBackend.at("http://gpu-2:8000"))
 *         .build()) {
 *     System.out.println(llm.complete(CompletionRequest.of("Once upon a time")).text());
 * }
 * }</pre>
 *
 * <p>Calls end with a result or with an {@link LlmException}, nothing else, exactly once. A call whose endpoints are all
 * full waits in one line, by priority and then first come first served, without holding a thread.
 */
public final class BalancedLlm implements AutoCloseable {
    /** Time from dispatch to first token when nothing else is said. */
    public static final Duration DEFAULT_FIRST_TOKEN_TIMEOUT = Duration.ofMinutes(2);
    /** Silence in a stream that has begun, when nothing else is said. */
    public static final Duration DEFAULT_IDLE_TIMEOUT = Duration.ofSeconds(30);
    /** Time a full buffer waits for its reader when nothing else is said. */
    public static final Duration DEFAULT_READER_STALL_TIMEOUT = Duration.ofMinutes(1);
    /** Time that closing gives to the calls in flight when nothing else is said. */
    public static final Duration DEFAULT_CLOSE_GRACE = Duration.ofSeconds(10);

    private final EngineRoom room;
    private final CallOptions options;
    private final boolean view;

    private BalancedLlm(EngineRoom room, CallOptions options, boolean view) {
        this.room = room;
        this.options = options;
        this.view = view;
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Completes a request and waits for the whole answer. Nothing is delivered before the end, so the call survives an
     * endpoint that dies mid-stream. Interrupting the thread cancels the call.
     *
     * @throws LlmException when no attempt brought the answer
     */
    public Completion complete(CompletionRequest request) {
        CollectingOutput output = new CollectingOutput(request.operation(), Runnable::run);
        Ongoing call = begin(new Work.OfCompletion(request), output, false);
        return await(call, output.future());
    }

    /**
     * Completes a request and hands over the answer as it is generated. Returns at once; what goes wrong comes out of
     * the stream. Close the stream to give up the rest.
     */
    public CompletionStream stream(CompletionRequest request) {
        ChunkBuffer buffer = new ChunkBuffer(() -> {});
        Ongoing call = room.newCall(new Work.OfCompletion(request), options, buffer, true);
        buffer.demand(call::demand);
        call.start();
        return new BufferedStream(buffer, call);
    }

    /**
     * Completes a request without waiting. The future ends with the answer or with an {@link LlmException}, on the
     * callback pool, so that what hangs on it may block; ending it from outside, by {@code cancel} or {@code orTimeout},
     * cancels the generation.
     */
    public CompletableFuture<Completion> completeAsync(CompletionRequest request) {
        CollectingOutput output = new CollectingOutput(request.operation(), room::callback);
        return startAsync(room.newCall(new Work.OfCompletion(request), options, output, false), output);
    }

    private static CompletableFuture<Completion> startAsync(Ongoing call, CollectingOutput output) {
        call.start();
        CompletableFuture<Completion> future = output.future();
        CompletableFuture<Completion> unused =
                future.whenComplete((answer, failure) -> call.cancel("the future was ended from outside"));
        return future;
    }

    /**
     * Completes many requests without waiting, each on its own: one failure fails one. A routing policy that is a
     * {@link io.balancedllm.routing.BatchPlacement} places them together. In the order of the requests.
     */
    public List<CompletableFuture<Completion>> completeAll(Collection<CompletionRequest> requests) {
        List<Ongoing> calls = new ArrayList<>(requests.size());
        List<CollectingOutput> outputs = new ArrayList<>(requests.size());
        for (CompletionRequest request : requests) {
            CollectingOutput output = new CollectingOutput(request.operation(), room::callback);
            outputs.add(output);
            calls.add(room.newCall(new Work.OfCompletion(request), options, output, false));
        }
        room.router().place(calls, room.nanos());
        List<CompletableFuture<Completion>> futures = new ArrayList<>(calls.size());
        for (int i = 0; i < calls.size(); i++) {
            futures.add(startAsync(calls.get(i), outputs.get(i)));
        }
        return List.copyOf(futures);
    }

    /**
     * {@return a publisher of the chunks of the answer} Each subscription makes a call of its own. Signals come on the
     * callback pool; demand reaches the engine; cancelling the subscription cancels the generation.
     */
    public Flow.Publisher<CompletionChunk> publish(CompletionRequest request) {
        return new ChunkPublisher(
                room, (output, streaming) -> room.newCall(new Work.OfCompletion(request), options, output, streaming));
    }

    /**
     * Turns texts into vectors and waits for them. Interrupting the thread cancels the call.
     *
     * @throws LlmException when no attempt brought them
     */
    public Embeddings embed(EmbeddingRequest request) {
        EmbeddingOutput output = new EmbeddingOutput();
        Ongoing call = begin(new Work.OfEmbeddings(request), output, false);
        return await(call, output.future());
    }

    private Ongoing begin(Work work, Output output, boolean streaming) {
        Ongoing call = room.newCall(work, options, output, streaming);
        call.start();
        return call;
    }

    private static <T> T await(Ongoing call, CompletableFuture<T> future) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            call.cancel("the waiting thread was interrupted");
            Thread.currentThread().interrupt();
            throw new LlmException(
                    LlmException.Reason.CANCELLED,
                    "the waiting thread was interrupted; call " + call.id() + " is cancelled");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof LlmException failure) {
                failure.fillInStackTrace(); // where the caller is, not where the news came in
                throw failure;
            }
            throw Failures.defect("call " + call.id() + " ended with " + e.getCause(), e);
        }
    }

    /**
     * {@return a view of this balancer whose calls are served with these options} It shares everything with this one;
     * closing a view does nothing.
     */
    public BalancedLlm with(CallOptions options) {
        return new BalancedLlm(room, options, true);
    }

    /** Routes all picks from now on by another policy, under load: calls in flight go on, nothing is lost. */
    public void switchRouting(RoutingPolicy policy) {
        room.router().switchTo(policy);
        room.capacityChanged();
    }

    /** {@return the endpoints, to be watched and changed} */
    public EndpointPool pool() {
        return room.pool();
    }

    /** {@return counts and latencies as they are now} */
    public LlmStatistics statistics() {
        return room.statistics().snapshot();
    }

    /**
     * Forgets all answers that are kept for reuse; what is being generated now is not kept. Does nothing without a cache.
     */
    public void invalidateCache() {
        CacheStage cache = room.cache();
        if (cache != null) {
            cache.invalidateAll();
        }
    }

    /** {@return how many calls wait in line now} */
    public int waiting() {
        return room.line().size();
    }

    /**
     * Ends the balancer: takes no new calls, gives those in flight the grace period, fails the rest with
     * {@link LlmException.Reason#CLOSED}, closes the pool with its backends and ends its threads. Waits until that is
     * done; interrupting it cuts the grace short. Idempotent.
     */
    @Override
    public void close() {
        if (!view) {
            room.close();
        }
    }

    @Override
    public String toString() {
        return "BalancedLlm{" + room.router().inUse().description() + ", endpoints="
                + room.pool().endpoints().stream().map(EndpointStatus::id).toList() + "}";
    }

    /** Builds a {@link BalancedLlm}. Not thread-safe. */
    public static final class Builder {
        private final EndpointPool.Builder endpoints = EndpointPool.builder();
        private boolean hasEndpoints;
        private boolean hasHealthCheck;
        private @Nullable EndpointPool pool;
        private RoutingPolicy policy = RoutingPolicies.prefixAffinity();
        private RetryPolicy retry = RetryPolicy.DEFAULT;
        private HedgingPolicy hedging = HedgingPolicy.OFF;
        private AdmissionControl admission = AdmissionControl.DEFAULT;
        private final List<EndpointPool> fallbacks = new ArrayList<>();
        private Duration firstTokenTimeout = DEFAULT_FIRST_TOKEN_TIMEOUT;
        private Duration idleTimeout = DEFAULT_IDLE_TIMEOUT;
        private Duration readerStallTimeout = DEFAULT_READER_STALL_TIMEOUT;
        private Duration closeGrace = DEFAULT_CLOSE_GRACE;
        private final List<LlmListener> listeners = new ArrayList<>();
        private @Nullable Executor loop;
        private @Nullable Executor callbacks;
        private @Nullable Scheduler scheduler;
        private Ticker ticker = Ticker.system();
        private RandomGenerator random = RandomSource.system();
        private PromptEncoder promptEncoder = PromptEncoder.bytes();
        private @Nullable CacheOptions cache;

        private Builder() {}

        /** Adds an endpoint with default properties. The balancer closes the backend when it is closed. */
        public Builder endpoint(String id, LlmBackend backend) {
            return endpoint(Endpoint.of(id, backend));
        }

        /** Adds an endpoint. */
        public Builder endpoint(Endpoint endpoint) {
            endpoints.add(endpoint);
            hasEndpoints = true;
            return this;
        }

        /** Sets the pool, instead of single endpoints. The balancer closes it when it is closed. */
        public Builder pool(EndpointPool pool) {
            this.pool = pool;
            return this;
        }

        /** Sets how single endpoints are judged; a pool says so itself. Default {@link HealthCheck#defaults()}. */
        public Builder healthCheck(HealthCheck check) {
            endpoints.healthCheck(check);
            hasHealthCheck = true;
            return this;
        }

        /** Sets the routing policy; default {@link RoutingPolicies#prefixAffinity()}. */
        public Builder routing(RoutingPolicy policy) {
            this.policy = policy;
            return this;
        }

        /** Sets how often calls try again, and at what price; default {@link RetryPolicy#DEFAULT}. */
        public Builder retry(RetryPolicy policy) {
            this.retry = policy;
            return this;
        }

        /** Sets when calls without a token start a second attempt beside the first; default {@link HedgingPolicy#OFF}. */
        public Builder hedging(HedgingPolicy policy) {
            this.hedging = policy;
            return this;
        }

        /** Sets which calls are let in when endpoints are full; default {@link AdmissionControl#DEFAULT}. */
        public Builder admission(AdmissionControl admission) {
            this.admission = admission;
            return this;
        }

        /** Sets how many calls may wait for room, and leaves the rest of {@link #admission} as it is. */
        public Builder maxWaiting(int calls) {
            return admission(admission.newBuilder().maxWaiting(calls).build());
        }

        /**
         * Adds a pool for calls that the pools before it have nobody for (none that serves the model, takes attempts and
         * was not tried), or whose prompt is too long for them. Not for calls that find the endpoints before it full:
         * those wait. Routed by the same policy, with endpoint ids that should differ from those before; models may be
         * given the names that requests use with {@link Endpoint.Builder#model(String, String)}. The balancer closes the
         * pool when it is closed.
         */
        public Builder fallback(EndpointPool pool) {
            fallbacks.add(pool);
            return this;
        }

        /** Sets how long an attempt may take to its first token; default 120 s. */
        public Builder firstTokenTimeout(Duration timeout) {
            this.firstTokenTimeout = positive("firstTokenTimeout", timeout);
            return this;
        }

        /** Sets how long a stream that has begun may be silent; default 30 s. */
        public Builder idleTimeout(Duration timeout) {
            this.idleTimeout = positive("idleTimeout", timeout);
            return this;
        }

        /** Sets how long a stream waits for its reader before it is ended; default 60 s. */
        public Builder readerStallTimeout(Duration timeout) {
            this.readerStallTimeout = positive("readerStallTimeout", timeout);
            return this;
        }

        /** Sets how long closing waits for calls in flight; default 10 s. */
        public Builder closeGrace(Duration grace) {
            this.closeGrace = positive("closeGrace", grace);
            return this;
        }

        /** Adds a listener. */
        public Builder listener(LlmListener listener) {
            listeners.add(listener);
            return this;
        }

        /** Sets where later picks and listeners run; they never block. Borrowed: closing does not end it. */
        public Builder executor(Executor loop) {
            this.loop = loop;
            return this;
        }

        /** Sets where futures complete and subscribers are called; they may block. Borrowed. */
        public Builder callbackExecutor(Executor callbacks) {
            this.callbacks = callbacks;
            return this;
        }

        /** Sets what keeps the timers. Borrowed. */
        public Builder scheduler(Scheduler scheduler) {
            this.scheduler = scheduler;
            return this;
        }

        /** Sets the clock. */
        public Builder ticker(Ticker ticker) {
            this.ticker = ticker;
            return this;
        }

        /** Sets the source of chance; must be thread-safe unless everything runs on one thread. */
        public Builder random(RandomGenerator random) {
            this.random = random;
            return this;
        }

        /**
         * Sets how policies that look at prompts see them: as tokens and blocks. Default {@link PromptEncoder#bytes()},
         * which needs no tokenizer. It runs only when the policy asks.
         */
        public Builder promptEncoder(PromptEncoder encoder) {
            this.promptEncoder = Objects.requireNonNull(encoder, "encoder");
            return this;
        }

        /**
         * Reuses answers: those to equal requests, those being generated for equal requests, and those to requests that
         * this cache says mean the same. Off unless asked for. The balancer closes the cache when it is closed.
         */
        public Builder cache(CompletionCache semantic) {
            return cache(CacheOptions.of(semantic));
        }

        /** Reuses answers as these options say; {@link CacheOptions#DEFAULT} for equal requests only. Off unless asked for. */
        public Builder cache(CacheOptions options) {
            this.cache = Objects.requireNonNull(options, "options");
            return this;
        }

        private static Duration positive(String name, Duration value) {
            if (value.isNegative() || value.isZero() || value.compareTo(Duration.ofDays(36_500)) > 0) {
                throw new IllegalArgumentException(name + " must be positive and at most a century, got " + value);
            }
            return value;
        }

        /**
         * {@return the balancer; it may start without endpoints and get them later}
         *
         * @throws IllegalStateException when both a pool and single endpoints were given, or the pool has a balancer
         */
        public BalancedLlm build() {
            EndpointPool chosen = pool;
            if (chosen == null) {
                chosen = endpoints.build();
            } else if (hasEndpoints || hasHealthCheck) {
                throw new IllegalStateException(
                        "give either pool(...) or endpoint(...) and healthCheck(...), not both");
            }
            EngineRoom room = new EngineRoom(
                    chosen,
                    policy,
                    new EngineRoom.Resilience(retry, hedging, admission, List.copyOf(fallbacks)),
                    new EngineRoom.Settings(firstTokenTimeout, idleTimeout, readerStallTimeout, closeGrace),
                    listeners,
                    new Threads(loop, callbacks, scheduler),
                    ticker,
                    random,
                    promptEncoder,
                    cache);
            for (EndpointPool each : room.pools()) {
                each.attach(room);
                for (LlmListener listener : listeners) {
                    each.watch(listener::poolChanged);
                }
            }
            return new BalancedLlm(room, CallOptions.DEFAULT, false);
        }
    }
}
