/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.endpoint.Attempt;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.Generation;
import io.balancedllm.endpoint.GenerationSink;
import io.balancedllm.endpoint.LlmBackend;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.time.Scheduler;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Engine rooms in which everything runs at once, on the thread of the test, and no time passes. */
final class Rooms {
    private static final Duration LONG = Duration.ofMinutes(1);

    private Rooms() {}

    static EngineRoom room(RoutingPolicy policy, Endpoint... endpoints) {
        EndpointPool.Builder pool = EndpointPool.builder().healthCheck(HealthCheck.off());
        List.of(endpoints).forEach(pool::add);
        return room(policy, pool.build());
    }

    static EngineRoom room(RoutingPolicy policy, EndpointPool built) {
        EngineRoom room = new EngineRoom(
                built,
                policy,
                EngineRoom.Resilience.DEFAULT,
                new EngineRoom.Settings(LONG, LONG, LONG, LONG),
                List.of(),
                new Threads(Runnable::run, Runnable::run, new NoTimers()),
                () -> 0,
                new Random(1),
                io.balancedllm.prefix.PromptEncoder.bytes(),
                null);
        built.attach(room);
        return room;
    }

    static RoutingPolicy first() {
        return (call, candidates) -> candidates.get(0);
    }

    static Call call(EngineRoom room, CompletionRequest request, Output output) {
        return new Call(room, new Work.OfCompletion(request), CallOptions.DEFAULT, output, false);
    }

    static Call call(EngineRoom room) {
        return call(room, CompletionRequest.of("Once"), new ChunkBuffer(() -> {}));
    }

    /** A backend whose attempts never end by themselves. */
    static final class Silent implements LlmBackend {
        private final BackendTraits traits;

        Silent(BackendTraits traits) {
            this.traits = traits;
        }

        Silent() {
            this(BackendTraits.UNKNOWN);
        }

        @Override
        public Generation start(Attempt<CompletionRequest> attempt, GenerationSink sink) {
            return Generation.ENDED;
        }

        @Override
        public CompletionStage<ProbeResult> probe(Duration timeout) {
            return CompletableFuture.completedFuture(ProbeResult.READY);
        }

        @Override
        public BackendTraits traits() {
            return traits;
        }

        @Override
        public void close() {}
    }

    private static final class NoTimers implements Scheduler {
        @Override
        public Timer schedule(String name, long delayNanos, Runnable task) {
            return () -> {};
        }

        @Override
        public void close() {}
    }
}
