/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.metrics.LlmStatistics;
import io.balancedllm.routing.RoutingPolicy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** One run of a simulation: the balancer, its engines, and what became of each request. Used once, by one thread. */
final class SimulationRun {
    /** Engines queue without limit, and what is slow is to be measured, not cut off. */
    private static final Duration NEVER = Duration.ofDays(36_500);

    private static final double NANOS_PER_SECOND = 1e9;
    /** Keeps the two sources of chance of one seed apart. */
    private static final long SPREAD_SALT = 0x5DEECE66DL;

    private final Simulation simulation;
    private final RoutingPolicy policy;
    private final long seed;
    private final Trace trace;
    private final VirtualTime time = new VirtualTime();
    private final List<SimulatedEngine> engines = new ArrayList<>();
    private final @Nullable Outcome[] outcomes;
    private int failed;
    private @Nullable LlmException firstFailure;
    private @Nullable LlmStatistics statistics;

    SimulationRun(Simulation simulation, RoutingPolicy policy, long seed) {
        this.simulation = simulation;
        this.policy = policy;
        this.seed = seed;
        this.trace = simulation.trace;
        this.outcomes = new @Nullable Outcome[trace.requests().size()];
        for (double speed : simulation.speeds) {
            engines.add(new SimulatedEngine(simulation.model, simulation.kvBlocks, speed, time));
        }
    }

    /** What a call came to, as its caller sees it. */
    private record Outcome(double firstTokenSeconds, double seconds, int cachedTokens, int outputTokens) {
        static Outcome of(Completion answer) {
            DecisionRecord decision = answer.decision().orElseThrow();
            Usage usage = answer.usage().orElseThrow();
            return new Outcome(
                    seconds(decision.timeToFirstToken().orElseThrow()),
                    seconds(decision.duration()),
                    usage.cachedTokens().orElse(0),
                    usage.completionTokens());
        }

        private static double seconds(Duration duration) {
            return duration.toNanos() / NANOS_PER_SECOND;
        }

        double secondsPerToken() {
            return (seconds - firstTokenSeconds) / (outputTokens - 1);
        }
    }

    List<SimulatedEngine> engines() {
        return engines;
    }

    VirtualTime time() {
        return time;
    }

    /** {@return the balancer's own books, after the run} */
    LlmStatistics statistics() {
        if (statistics == null) {
            throw new IllegalStateException("there are no statistics before the run");
        }
        return statistics;
    }

    SimulationResult run() {
        long[] arrivals =
                Arrivals.nanos(trace, simulation.rate, simulation.spread ? Long.valueOf(seed ^ SPREAD_SALT) : null);
        List<CompletableFuture<Completion>> answers = new ArrayList<>(arrivals.length);
        try (BalancedLlm llm = balancer()) {
            try {
                for (int i = 0; i < arrivals.length; i++) {
                    time.advanceTo(arrivals[i]);
                    answers.add(call(llm, i));
                }
                time.run();
                statistics = llm.statistics();
            } finally {
                // After a defect: closing waits for the calls in flight, and time has stopped.
                answers.forEach(answer -> answer.cancel(false));
                time.runReady();
            }
        }
        return result();
    }

    private BalancedLlm balancer() {
        EndpointPool.Builder pool = EndpointPool.builder();
        for (int i = 0; i < engines.size(); i++) {
            pool.add(Endpoint.builder("engine-" + i, engines.get(i))
                    .maxConcurrency(Integer.MAX_VALUE)
                    .build());
        }
        return BalancedLlm.builder()
                .pool(pool.build())
                .routing(policy)
                .firstTokenTimeout(NEVER)
                .idleTimeout(NEVER)
                .executor(time)
                .callbackExecutor(time)
                .scheduler(time)
                .ticker(time)
                .random(new SplittableRandom(seed))
                .build();
    }

    private CompletableFuture<Completion> call(BalancedLlm llm, int index) {
        CallOptions options = trace.requests().get(index).options();
        BalancedLlm caller = options.equals(CallOptions.DEFAULT) ? llm : llm.with(options);
        CompletableFuture<Completion> answer = caller.completeAsync(trace.completionRequest(index));
        CompletableFuture<Completion> unused = answer.whenComplete((completion, failure) -> {
            if (failure == null) {
                outcomes[index] = Outcome.of(completion);
            } else {
                failed++;
                firstFailure = firstFailure == null && failure instanceof LlmException typed ? typed : firstFailure;
            }
        });
        return answer;
    }

    private SimulationResult result() {
        int first = (int) (simulation.warmUp * outcomes.length);
        List<Outcome> measured = new ArrayList<>();
        long promptTokens = 0;
        long reusableTokens = 0;
        for (int i = first; i < outcomes.length; i++) {
            Outcome outcome = outcomes[i];
            if (outcome != null) {
                measured.add(outcome);
                promptTokens += trace.requests().get(i).prompt().tokens();
                reusableTokens += trace.reusableTokens(i);
            }
        }
        if (measured.isEmpty()) {
            throw new IllegalStateException("no request was served", firstFailure);
        }
        double cachedTokens = measured.stream().mapToLong(Outcome::cachedTokens).sum();
        return new SimulationResult(
                measured.size(),
                failed,
                SimulationResult.Times.of(measured.stream().mapToDouble(Outcome::firstTokenSeconds)),
                SimulationResult.Times.of(measured.stream()
                        .filter(outcome -> outcome.outputTokens() > 1)
                        .mapToDouble(Outcome::secondsPerToken)),
                SimulationResult.Times.of(measured.stream().mapToDouble(Outcome::seconds)),
                cachedTokens / promptTokens,
                reusableTokens == 0 ? 0 : cachedTokens / reusableTokens,
                imbalance(),
                time.nanos() / NANOS_PER_SECOND);
    }

    private double imbalance() {
        long[] work =
                engines.stream().mapToLong(SimulatedEngine::prefilledTokens).toArray();
        return Arrays.stream(work).max().orElse(0)
                / Arrays.stream(work).average().orElse(1);
    }
}
