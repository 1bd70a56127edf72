/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.routing.RoutingPolicy;
import java.util.Arrays;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Replays a trace through a real {@link io.balancedllm.BalancedLlm}, with its pool, its policies and its books, on
 * engines and time that are simulated. An hour of traffic takes about a second, on one thread, and comes out the same for
 * the same seed.
 *
 * <pre>{@code
 * Trace trace = Trace.read(Path.of("conversation_trace.jsonl.gz"), Integer.MAX_VALUE, Trace.BrokenLines.STOP);
 * Simulation simulation = Simulation.builder(trace).replicas(8).rate(9.0).build();
 * SimulationResult result = simulation.run(RoutingPolicies::leastConnections, 1);
 * System.out.println(result.timeToFirstToken().p99());
 * }</pre>
 *
 * <p>Requests come when the trace says (open loop), also when the turn before has not been answered. There is no network
 * and nothing fails. The balancer sets no limits of its own: engines queue what they cannot serve. Immutable and
 * thread-safe; runs share nothing.
 */
public final class Simulation {
    /** Engines when nothing else is said. */
    public static final int DEFAULT_REPLICAS = 8;
    /** KV blocks of an engine when nothing else is said: those of an 8B model on an 80 GB GPU. */
    public static final int DEFAULT_KV_BLOCKS = 860;
    /** Share of the requests that only warm the caches when nothing else is said. */
    public static final double DEFAULT_WARM_UP = 0.1;

    final Trace trace;
    final EngineModel model;
    final double[] speeds;
    final int kvBlocks;
    final @Nullable Double rate;
    final boolean spread;
    final double warmUp;

    private Simulation(Builder builder) {
        trace = builder.trace;
        model = builder.model;
        speeds = builder.speeds.clone();
        kvBlocks = builder.kvBlocks;
        rate = builder.rate;
        spread = builder.spread;
        warmUp = builder.warmUp;
    }

    /** {@return a builder of a simulation of this trace with the defaults} */
    public static Builder builder(Trace trace) {
        return new Builder(trace);
    }

    /**
     * Runs it once.
     *
     * @param policy makes the policy: a new one for each run, because policies learn
     * @param seed of all chance: the policy's, and the spread of equal timestamps
     * @return what was measured
     * @throws IllegalStateException when no request was served; its cause is the first failure
     */
    public SimulationResult run(Supplier<RoutingPolicy> policy, long seed) {
        return new SimulationRun(this, policy.get(), seed).run();
    }

    /**
     * Runs it with the seeds 1 to {@code seeds}.
     *
     * @param policy makes the policy of each run
     * @param seeds how many runs, at least 1
     * @return the means of the results
     */
    public SimulationResult runMean(Supplier<RoutingPolicy> policy, int seeds) {
        if (seeds < 1) {
            throw new IllegalArgumentException("seeds must be at least 1, got " + seeds);
        }
        return SimulationResult.mean(LongStream.rangeClosed(1, seeds)
                .mapToObj(seed -> run(policy, seed))
                .toList());
    }

    /** Builds a {@link Simulation}. Not thread-safe. */
    public static final class Builder {
        private final Trace trace;
        private EngineModel model = EngineModel.LLAMA_8B_ON_H100;
        private double[] speeds = equal(DEFAULT_REPLICAS);
        private int kvBlocks = DEFAULT_KV_BLOCKS;
        private @Nullable Double rate;
        private boolean spread = true;
        private double warmUp = DEFAULT_WARM_UP;

        private Builder(Trace trace) {
            this.trace = trace;
        }

        private static double[] equal(int replicas) {
            double[] speeds = new double[replicas];
            Arrays.fill(speeds, 1);
            return speeds;
        }

        /** Sets how many engines there are, at least 1, all of the same speed. Default {@value #DEFAULT_REPLICAS}. */
        public Builder replicas(int replicas) {
            if (replicas < 1) {
                throw new IllegalArgumentException("replicas must be at least 1, got " + replicas);
            }
            speeds = equal(replicas);
            return this;
        }

        /** Sets how many engines there are by a factor on the speed of each, above 0: 0.5 is half as fast. */
        public Builder speeds(double... speeds) {
            if (speeds.length < 1 || Arrays.stream(speeds).anyMatch(speed -> !(speed > 0 && speed < 1e9))) {
                throw new IllegalArgumentException(
                        "speeds must be one or more numbers above 0, got " + Arrays.toString(speeds));
            }
            this.speeds = speeds.clone();
            return this;
        }

        /** Sets what the engines take to compute. Default {@link EngineModel#LLAMA_8B_ON_H100}. */
        public Builder engine(EngineModel model) {
            this.model = model;
            return this;
        }

        /**
         * Sets the KV memory of an engine in blocks of {@value SimulatedPrompt#BLOCK_TOKENS} tokens, at least 1. Default
         * {@value #DEFAULT_KV_BLOCKS}.
         */
        public Builder kvBlocks(int blocks) {
            if (blocks < 1) {
                throw new IllegalArgumentException("kvBlocks must be at least 1, got " + blocks);
            }
            this.kvBlocks = blocks;
            return this;
        }

        /** Stretches or squeezes the trace to this many requests a second on average. Default: as recorded. */
        public Builder rate(double requestsPerSecond) {
            if (!(requestsPerSecond > 0) || Double.isInfinite(requestsPerSecond)) {
                throw new IllegalArgumentException("rate must be a finite number above 0, got " + requestsPerSecond);
            }
            this.rate = requestsPerSecond;
            return this;
        }

        /** Says whether requests of one timestamp are spread until the next, since traces round times. Default true. */
        public Builder spread(boolean spread) {
            this.spread = spread;
            return this;
        }

        /** Sets the share of the requests, the first, that the result leaves out: 0 to below 1. Default 0.1. */
        public Builder warmUp(double share) {
            if (!(share >= 0 && share < 1)) {
                throw new IllegalArgumentException("warmUp must be at least 0 and below 1, got " + share);
            }
            this.warmUp = share;
            return this;
        }

        /**
         * {@return the simulation}
         *
         * @throws IllegalArgumentException when there is a rate to scale to, and all requests came at once
         */
        public Simulation build() {
            double recorded = trace.recordedRate();
            if (rate != null && (Double.isNaN(recorded) || Double.isInfinite(recorded))) {
                throw new IllegalArgumentException(
                        "all requests of the trace came at once: there is nothing to scale to a rate of " + rate);
            }
            return new Simulation(this);
        }
    }
}
