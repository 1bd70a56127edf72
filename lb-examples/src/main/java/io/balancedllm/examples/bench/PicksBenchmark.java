/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.prefix.PromptBlocks;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import java.time.Duration;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * One pick of a policy, from the endpoints of a real pool with calls in flight and prompts in its index, beside what is
 * written by hand: the least of an array of counters.
 */
public class PicksBenchmark {
    private static final int CALLS_OF_ENDPOINT = 2;
    private static final int PROMPT_BLOCKS = 128;
    private static final int SHARED_BLOCKS = 32;
    private static final int TOKENS_PER_BLOCK = 64;
    private static final Duration NEVER = Duration.ofDays(1);

    /** A pool in which calls are in flight, and what a policy is given to pick from it. */
    @State(Scope.Benchmark)
    public static class Pool {
        /** The name of the policy. */
        @Param("prefixAffinity")
        String policy = "";

        /** How many endpoints there are. */
        @Param("16")
        int endpoints;

        private @Nullable BalancedLlm llm;
        private volatile @Nullable RoutingContext lastCall;
        private volatile @Nullable Candidates lastCandidates;
        private @Nullable RoutingContext call;
        private @Nullable Candidates candidates;
        private RoutingPolicy picking = RoutingPolicies.random();
        private AtomicInteger[] counters = {};

        /** Fills the pool. */
        @Setup
        public void fill() throws InterruptedException {
            picking = RoutingPolicies.named(policy);
            BalancedLlm.Builder builder = BalancedLlm.builder()
                    .healthCheck(HealthCheck.off())
                    .promptEncoder((request, options) ->
                            prompt(request.sampling().seed().orElse(0)))
                    .firstTokenTimeout(NEVER)
                    .closeGrace(Duration.ofMillis(1))
                    .routing(new Watched());
            int calls = CALLS_OF_ENDPOINT * endpoints + 1;
            CountDownLatch started = new CountDownLatch(calls);
            for (int i = 0; i < endpoints; i++) {
                builder.endpoint(Endpoint.of("endpoint " + i, new Silent(started)));
            }
            llm = builder.build();
            for (int i = 0; i < calls; i++) {
                CallOptions ofSession =
                        CallOptions.builder().session("session " + i / 2).build();
                CompletableFuture<Completion> unused = llm.with(ofSession)
                        .completeAsync(CompletionRequest.builder()
                                .prompt("")
                                .seed(i / 2)
                                .build());
            }
            if (!started.await(1, TimeUnit.MINUTES)) {
                throw new IllegalStateException(started.getCount() + " calls did not start");
            }
            call = lastCall;
            candidates = lastCandidates;
            counters = new AtomicInteger[endpoints];
            SplittableRandom random = new SplittableRandom(1);
            for (int i = 0; i < endpoints; i++) {
                counters[i] = new AtomicInteger(CALLS_OF_ENDPOINT + random.nextInt(CALLS_OF_ENDPOINT));
            }
        }

        /** Ends the calls. */
        @TearDown
        public void close() {
            Objects.requireNonNull(llm).close();
        }

        EndpointView pick() {
            return picking.pick(Objects.requireNonNull(call), Objects.requireNonNull(candidates));
        }

        /** Lets the policy pick and keeps what it was given. */
        private final class Watched implements RoutingPolicy {
            @Override
            public EndpointView pick(RoutingContext context, Candidates from) {
                lastCall = context;
                lastCandidates = from;
                return picking.pick(context, from);
            }
        }
    }

    /** Prompts whose first blocks are those of all, each sent twice. */
    private static PromptBlocks prompt(long number) {
        long[] hashes = new long[PROMPT_BLOCKS];
        SplittableRandom shared = new SplittableRandom(1);
        SplittableRandom own = new SplittableRandom(number + 2);
        for (int block = 0; block < hashes.length; block++) {
            hashes[block] = (block < SHARED_BLOCKS ? shared : own).nextLong();
        }
        return PromptBlocks.exact(hashes, TOKENS_PER_BLOCK, PROMPT_BLOCKS * TOKENS_PER_BLOCK + 1);
    }

    /** Never answers, so what it was sent stays in flight. */
    private static final class Silent implements LlmBackend {
        private final CountDownLatch started;

        Silent(CountDownLatch started) {
            this.started = started;
        }

        @Override
        public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
            started.countDown();
            return new Generation() {
                @Override
                public void request(int chunks) {}

                @Override
                public void cancel() {
                    sink.cancelled();
                }
            };
        }

        @Override
        public CompletionStage<ProbeResult> probe(Duration timeout) {
            return CompletableFuture.completedFuture(ProbeResult.READY);
        }

        @Override
        public void close() {}
    }

    /** A pick of the policy. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public EndpointView pick(Pool pool) {
        return pool.pick();
    }

    /** The first of the least of an array of counters. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public int byHand(Pool pool) {
        int least = 0;
        for (int i = 1; i < pool.counters.length; i++) {
            if (pool.counters[i].get() < pool.counters[least].get()) {
                least = i;
            }
        }
        return least;
    }
}
