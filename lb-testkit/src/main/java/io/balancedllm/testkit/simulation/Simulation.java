/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Function;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
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
 * <p>Requests come when the trace says (open loop), also when the turn before has not been answered; or {@link
 * Builder#users users} wait for their answers (closed loop). Engines may differ, drift, fail, join and leave, and several
 * balancers may share them. There is no network. The balancer sets no limits of its own: engines queue what they cannot
 * serve. Immutable and thread-safe; runs share nothing.
 */
public final class Simulation {
    /** Engines when nothing else is said. */
    public static final int DEFAULT_REPLICAS = 8;
    /** KV blocks of an engine when nothing else is said: those of an 8B model on an 80 GB GPU. */
    public static final int DEFAULT_KV_BLOCKS = 860;
    /** Share of the requests that only warm the caches when nothing else is said. */
    public static final double DEFAULT_WARM_UP = 0.1;

    /** Requests a second: an hour of traffic comes within nanoseconds. */
    private static final double ALL_AT_ONCE = 1e12;

    final Trace trace;
    final EngineModel model;
    final List<DoubleUnaryOperator> speeds;
    final int kvBlocks;
    final @Nullable Double rate;
    final int users;
    final int clients;
    final boolean clientsBySession;
    final List<FleetChange> changes;
    final boolean spread;
    final double warmUp;
    final double tokenBias;
    final double tokenNoise;
    final UnaryOperator<BalancedLlm.Builder> balancer;
    final UnaryOperator<EndpointPool.Builder> pool;
    final IntConsumer progress;

    private Simulation(Builder builder) {
        trace = builder.trace;
        model = builder.model;
        speeds = List.copyOf(builder.speeds);
        users = builder.users;
        clients = builder.clients;
        clientsBySession = builder.clientsBySession;
        changes = List.copyOf(builder.changes);
        tokenBias = builder.tokenBias;
        tokenNoise = builder.tokenNoise;
        balancer = builder.balancer;
        pool = builder.pool;
        progress = builder.progress;
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
        return run(fleet -> policy.get(), seed);
    }

    /**
     * Runs it once, with a policy that may look at the engines: {@link Rivals}, or an oracle of one's own.
     *
     * @param policy makes the policy of each client
     * @param seed of all chance
     * @return what was measured
     * @throws IllegalStateException when no request was served; its cause is the first failure
     */
    public SimulationResult run(Function<SimulatedFleet, RoutingPolicy> policy, long seed) {
        return new SimulationRun(this, policy, seed).run();
    }

    /**
     * Runs it with the seeds 1 to {@code seeds}.
     *
     * @param policy makes the policy of each run
     * @param seeds how many runs, at least 1
     * @return the means of the results
     */
    public SimulationResult runMean(Supplier<RoutingPolicy> policy, int seeds) {
        return runMean(fleet -> policy.get(), seeds);
    }

    /**
     * Runs it with the seeds 1 to {@code seeds}, with a policy that may look at the engines.
     *
     * @param policy makes the policy of each client of each run
     * @param seeds how many runs, at least 1
     * @return the means of the results
     */
    public SimulationResult runMean(Function<SimulatedFleet, RoutingPolicy> policy, int seeds) {
        if (seeds < 1) {
            throw new IllegalArgumentException("seeds must be at least 1, got " + seeds);
        }
        return SimulationResult.mean(LongStream.rangeClosed(1, seeds)
                .mapToObj(seed -> run(policy, seed))
                .toList());
    }

    /**
     * {@return requests a second that these engines serve when all requests of the trace come at once and take turns: load
     * 1}
     */
    public double saturationRate() {
        SimulationResult all =
                toBuilder().rate(ALL_AT_ONCE).users(0).warmUp(0).build().run(RoutingPolicies::roundRobin, 1);
        return all.requests() / all.seconds();
    }

    /**
     * Finds by bisection the highest rate at which enough requests are good.
     *
     * @param policy makes the policy of each client of each run
     * @param slo what is good, and how many have to be
     * @param load1 the rate to search around, {@link #saturationRate} for instance: between 0.05 and 3.5 times it
     * @param seed of all chance
     * @return requests a second, to 1 % of {@code load1}
     */
    public double goodput(Function<SimulatedFleet, RoutingPolicy> policy, Slo slo, double load1, long seed) {
        return new GoodputSearch(toBuilder().users(0), policy, slo, seed).around(load1);
    }

    /** {@return a builder with everything as it is here} */
    public Builder toBuilder() {
        Builder builder = new Builder(trace);
        builder.model = model;
        builder.speeds = new ArrayList<>(speeds);
        builder.kvBlocks = kvBlocks;
        builder.rate = rate;
        builder.users = users;
        builder.clients = clients;
        builder.clientsBySession = clientsBySession;
        builder.changes.addAll(changes);
        builder.spread = spread;
        builder.warmUp = warmUp;
        builder.tokenBias = tokenBias;
        builder.tokenNoise = tokenNoise;
        builder.balancer = balancer;
        builder.pool = pool;
        builder.progress = progress;
        return builder;
    }

    /** Builds a {@link Simulation}. Not thread-safe. */
    public static final class Builder {
        private final Trace trace;
        private EngineModel model = EngineModel.LLAMA_8B_ON_H100;
        private List<DoubleUnaryOperator> speeds = equal(DEFAULT_REPLICAS);
        private int kvBlocks = DEFAULT_KV_BLOCKS;
        private @Nullable Double rate;
        private int users;
        private int clients = 1;
        private boolean clientsBySession;
        private final List<FleetChange> changes = new ArrayList<>();
        private boolean spread = true;
        private double warmUp = DEFAULT_WARM_UP;
        private double tokenBias = 1;
        private double tokenNoise;
        private UnaryOperator<BalancedLlm.Builder> balancer = UnaryOperator.identity();
        private UnaryOperator<EndpointPool.Builder> pool = UnaryOperator.identity();
        private IntConsumer progress = ended -> {};

        private Builder(Trace trace) {
            this.trace = trace;
        }

        private static List<DoubleUnaryOperator> equal(int replicas) {
            List<DoubleUnaryOperator> speeds = new ArrayList<>();
            for (int i = 0; i < replicas; i++) {
                speeds.add(seconds -> 1);
            }
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
            this.speeds = new ArrayList<>();
            for (double speed : speeds) {
                this.speeds.add(seconds -> speed);
            }
            return this;
        }

        /**
         * Lets an engine's speed drift.
         *
         * @param engine which one, from 0, of those there are from the start
         * @param factor the factor on its speed at a time in virtual seconds, always above 0
         */
        public Builder drift(int engine, DoubleUnaryOperator factor) {
            speeds.set(existing(engine), factor);
            return this;
        }

        /** Has an engine fail for a time. */
        public Builder outage(Outage outage) {
            int engine = existing(outage.engine());
            changes.add(new FleetChange(outage.fromSeconds(), engine, null, outage, false));
            if (outage.untilSeconds() < Double.POSITIVE_INFINITY) {
                changes.add(new FleetChange(outage.untilSeconds(), engine, null, null, true));
            }
            return this;
        }

        /** Adds an engine at a time in virtual seconds, with a factor on its speed and an empty cache. */
        public Builder join(double seconds, double speed) {
            if (!(seconds >= 0) || !(speed > 0)) {
                throw new IllegalArgumentException(
                        "join takes a time of at least 0 and a speed above 0, got " + seconds + " and " + speed);
            }
            changes.add(new FleetChange(seconds, -1, at -> speed, null, false));
            return this;
        }

        /** Drains an engine at a time in virtual seconds: it finishes what it has and gets no more. */
        public Builder leave(double seconds, int engine) {
            if (!(seconds >= 0)) {
                throw new IllegalArgumentException("leave takes a time of at least 0, got " + seconds);
            }
            changes.add(new FleetChange(seconds, existing(engine), null, null, false));
            return this;
        }

        private int existing(int engine) {
            if (engine < 0 || engine >= speeds.size()) {
                throw new IllegalArgumentException(
                        "there is no engine " + engine + ": set how many there are first, now " + speeds.size());
            }
            return engine;
        }

        /**
         * Sets how many users wait for their answers (closed loop), instead of requests that come when the trace says: each
         * plays a session turn by turn, thinks in between as long as the trace says, rests, and takes the next session. 0,
         * the default, is the open loop. A rate means nothing then.
         */
        public Builder users(int users) {
            if (users < 0) {
                throw new IllegalArgumentException("users must be at least 0, got " + users);
            }
            this.users = users;
            return this;
        }

        /**
         * Sets how many balancers share the engines, each with a policy of its own that sees its own calls only. Default 1.
         *
         * @param clients how many, at least 1
         * @param bySession whether all calls of a session come to the same one; otherwise each call comes to any
         */
        public Builder clients(int clients, boolean bySession) {
            if (clients < 1) {
                throw new IllegalArgumentException("clients must be at least 1, got " + clients);
            }
            this.clients = clients;
            this.clientsBySession = bySession;
            return this;
        }

        /**
         * Has the balancers estimate tokens, as without a tokenizer, instead of knowing them. Rivals know them all the same.
         *
         * @param bias what estimates are wrong by on average, as a factor above 0
         * @param noise the standard deviation of the logarithm of each estimate, at least 0
         */
        public Builder tokenEstimate(double bias, double noise) {
            if (!(bias > 0) || !(noise >= 0)) {
                throw new IllegalArgumentException(
                        "tokenEstimate takes a bias above 0 and a noise of at least 0, got " + bias + " and " + noise);
            }
            this.tokenBias = bias;
            this.tokenNoise = noise;
            return this;
        }

        /** Changes how the balancers are built: timeouts, retries and the like. */
        public Builder balancer(UnaryOperator<BalancedLlm.Builder> change) {
            this.balancer = change;
            return this;
        }

        /** Changes how their pools are built: health checks and the like. */
        public Builder pool(UnaryOperator<EndpointPool.Builder> change) {
            this.pool = change;
            return this;
        }

        /** Has this told how many requests have ended, after each; on the thread of the run. */
        public Builder progress(IntConsumer progress) {
            this.progress = progress;
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
