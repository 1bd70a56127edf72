/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.Completion;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.metrics.LlmStatistics;
import io.balancedllm.routing.RoutingPolicy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** One run of a simulation: the balancers, their engines, and what became of each request. Used once, by one thread. */
final class SimulationRun {
    /** Engines queue without limit, and what is slow is to be measured, not cut off. */
    private static final Duration NEVER = Duration.ofDays(36_500);

    private static final double NANOS_PER_SECOND = 1e9;
    // These keep the sources of chance of one seed apart.
    private static final long SPREAD_SALT = 0x5DEECE66DL;
    private static final long CLIENT_SALT = 0x9E3779B97F4A7C15L;

    private final Simulation simulation;
    private final long seed;
    private final Trace trace;
    private final VirtualTime time = new VirtualTime();
    private final SimulatedFleet fleet;
    private final List<RoutingPolicy> policies = new ArrayList<>();
    private final @Nullable BlockTable pooledCache;
    private final TraceEncoder encoder;
    private final Measurements measurements;
    private final List<BalancedLlm> clients = new ArrayList<>();
    private final List<CompletableFuture<Completion>> answers = new ArrayList<>();
    private final SplittableRandom clientChance;
    private final @Nullable ClosedLoop closedLoop;
    private int ended;
    private @Nullable LlmStatistics statistics;

    SimulationRun(Simulation simulation, Function<SimulatedFleet, RoutingPolicy> policy, long seed) {
        this.simulation = simulation;
        this.seed = seed;
        this.trace = simulation.trace;
        this.fleet = new SimulatedFleet(time, simulation.model, trace, simulation.kvBlocks, this::isOver);
        this.encoder = new TraceEncoder(trace, simulation.tokenBias, simulation.tokenNoise);
        this.measurements = new Measurements(trace, simulation.model);
        this.clientChance = new SplittableRandom(seed ^ CLIENT_SALT);
        this.closedLoop = simulation.users == 0 ? null : new ClosedLoop(trace, time, this::call);
        for (int i = 0; i < simulation.clients; i++) {
            policies.add(WatchedPolicy.of(policy.apply(fleet), fleet));
        }
        this.pooledCache = policies.get(0) instanceof PooledBound ? new BlockTable() : null;
        simulation.speeds.forEach(this::addEngine);
    }

    private boolean isOver() {
        return ended == trace.requests().size();
    }

    List<SimulatedEngine> engines() {
        return fleet.engines();
    }

    VirtualTime time() {
        return time;
    }

    Measurements measurements() {
        return measurements;
    }

    /** {@return the books of the first client's balancer, after the run} */
    LlmStatistics statistics() {
        if (statistics == null) {
            throw new IllegalStateException("there are no statistics before the run");
        }
        return statistics;
    }

    SimulationResult run() {
        try {
            for (int i = 0; i < simulation.clients; i++) {
                clients.add(balancer(i));
            }
            simulation.changes.forEach(change ->
                    time.schedule("change", Math.round(change.seconds() * NANOS_PER_SECOND), () -> apply(change)));
            drive();
            statistics = clients.get(0).statistics();
        } finally {
            // After a defect: closing waits for the calls in flight, and time has stopped.
            answers.forEach(answer -> answer.cancel(false));
            time.runReady();
            clients.forEach(BalancedLlm::close);
        }
        return measurements.result(simulation.warmUp, fleet.engines(), time.nanos() / NANOS_PER_SECOND);
    }

    private void drive() {
        if (closedLoop != null) {
            closedLoop.start(simulation.users, new SplittableRandom(seed ^ SPREAD_SALT));
        } else {
            long[] arrivals =
                    Arrivals.nanos(trace, simulation.rate, simulation.spread ? Long.valueOf(seed ^ SPREAD_SALT) : null);
            for (int i = 0; i < arrivals.length; i++) {
                time.advanceTo(arrivals[i]);
                call(i);
            }
        }
        time.runUntil(this::isOver);
    }

    private SimulatedEngine addEngine(DoubleUnaryOperator speed) {
        SimulatedEngine engine =
                new SimulatedEngine(simulation.model, simulation.kvBlocks, speed, time, trace.prompts(), pooledCache);
        fleet.add(engine);
        return engine;
    }

    private Endpoint endpoint(int engine) {
        return Endpoint.builder(SimulatedFleet.id(engine), fleet.engines().get(engine))
                .maxConcurrency(Integer.MAX_VALUE)
                .closeBackend(false)
                .build();
    }

    /** Endpoints that do not fail are not probed: that would cost time and show nothing. */
    private HealthCheck health() {
        return simulation.changes.stream().anyMatch(change -> change.outage() != null)
                ? HealthCheck.defaults()
                : HealthCheck.off();
    }

    private BalancedLlm balancer(int client) {
        EndpointPool.Builder pool = EndpointPool.builder().healthCheck(health());
        for (int i = 0; i < fleet.engines().size(); i++) {
            pool.add(endpoint(i));
        }
        BalancedLlm.Builder builder = BalancedLlm.builder()
                .pool(simulation.pool.apply(pool).build())
                .routing(policies.get(client))
                .firstTokenTimeout(NEVER)
                .idleTimeout(NEVER)
                .executor(time)
                .callbackExecutor(time)
                .scheduler(time)
                .ticker(time)
                .random(new SplittableRandom(seed + client * CLIENT_SALT))
                .promptEncoder(encoder);
        return simulation.balancer.apply(builder).build();
    }

    private void apply(FleetChange change) {
        if (change.speed() != null) {
            addEngine(change.speed());
            Endpoint endpoint = endpoint(fleet.engines().size() - 1);
            clients.forEach(client -> client.pool().add(endpoint));
        } else if (change.outage() != null) {
            change.outage().begin(fleet.engines().get(change.engine()));
        } else if (change.restart()) {
            fleet.engines().get(change.engine()).restart();
        } else {
            clients.forEach(client -> {
                CompletableFuture<Boolean> unused = client.pool().drain(SimulatedFleet.id(change.engine()));
            });
        }
    }

    private void call(int index) {
        TraceRequest request = trace.requests().get(index);
        int client = client(request);
        Measurements.Outcome outcome = measurements.began(index, fleet.engines());
        CompletableFuture<Completion> answer =
                caller(client, request.options()).completeAsync(trace.completionRequest(index));
        answers.add(answer);
        CompletableFuture<Completion> unused =
                answer.whenComplete((completion, failure) -> ended(index, outcome, completion, failure));
    }

    private BalancedLlm caller(int client, CallOptions options) {
        BalancedLlm llm = clients.get(client);
        return options.equals(CallOptions.DEFAULT) ? llm : llm.with(options);
    }

    private int client(TraceRequest request) {
        if (simulation.clients == 1) {
            return 0;
        }
        return simulation.clientsBySession && request.options().session().isPresent()
                ? Math.floorMod(request.options().session().orElseThrow().hashCode(), simulation.clients)
                : clientChance.nextInt(simulation.clients);
    }

    private void ended(
            int index, Measurements.Outcome outcome, @Nullable Completion completion, @Nullable Throwable failure) {
        ended++;
        if (completion != null) {
            String callId = completion.decision().orElseThrow().callId();
            measurements.served(outcome, completion, fleet.takePrediction(callId));
        } else if (failure != null) {
            measurements.failed(failure);
        }
        if (closedLoop != null) {
            closedLoop.ended(index);
        }
        simulation.progress.accept(ended);
    }
}
