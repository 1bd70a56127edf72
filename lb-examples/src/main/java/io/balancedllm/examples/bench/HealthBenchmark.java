/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.resilience.RetryPolicy;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Whole calls that are refused at once, over 1,000 endpoints. Where an endpoint asks for a moment it changes its health
 * twice: into its pause, and, a microsecond later, out of it. Where the request is at fault nothing changes.
 */
public class HealthBenchmark {
    private static final int ENDPOINTS = 1_000;
    private static final CompletionRequest REQUEST = CompletionRequest.of("Once");

    /** A balancer whose endpoints refuse. */
    @State(Scope.Benchmark)
    public static class Fleet {
        private final LlmException pause = LlmException.builder(Reason.RATE_LIMITED, "a moment, please")
                .statusCode(429)
                .retryAfter(Duration.ofNanos(1_000))
                .build();
        private final LlmException fault = LlmException.builder(Reason.INVALID_REQUEST, "not so")
                .statusCode(400)
                .build();
        private int turn;
        private LlmException refusal = fault;
        private final BalancedLlm llm = build();

        private BalancedLlm build() {
            EndpointPool.Builder pool = EndpointPool.builder()
                    .healthCheck(HealthCheck.builder().slowStart(Duration.ZERO).build());
            for (int i = 0; i < ENDPOINTS; i++) {
                pool.add(Endpoint.of("endpoint-" + i, new Refusing()));
            }
            return BalancedLlm.builder()
                    .pool(pool.build())
                    .retry(RetryPolicy.none())
                    .routing((call, candidates) -> candidates.get(Math.floorMod(turn++, candidates.size())))
                    .build();
        }

        /** Waits until all have been probed. */
        @Setup
        public void awaitProbes() {
            while (llm.pool().endpoints().stream().anyMatch(endpoint -> endpoint.health() != HealthState.HEALTHY)) {
                Thread.onSpinWait();
            }
        }

        /** Closes it. */
        @TearDown
        public void close() {
            llm.close();
        }

        private Reason call(LlmException refused) {
            refusal = refused;
            try {
                llm.complete(REQUEST);
                throw new IllegalStateException("was answered");
            } catch (LlmException e) {
                return e.reason();
            }
        }

        private final class Refusing implements LlmBackend {
            @Override
            public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
                sink.failed(refusal);
                return Generation.ENDED;
            }

            @Override
            public CompletionStage<ProbeResult> probe(Duration timeout) {
                return CompletableFuture.completedFuture(ProbeResult.READY);
            }

            @Override
            public BackendTraits traits() {
                return BackendTraits.UNKNOWN;
            }

            @Override
            public void close() {}
        }
    }

    /** Two changes of health. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public Reason changing(Fleet fleet) {
        return fleet.call(fleet.pause);
    }

    /** None. */
    @Benchmark
    @BenchmarkMode(Mode.AverageTime)
    @OutputTimeUnit(TimeUnit.NANOSECONDS)
    public Reason unchanging(Fleet fleet) {
        return fleet.call(fleet.fault);
    }
}
