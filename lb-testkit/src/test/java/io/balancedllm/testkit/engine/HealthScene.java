/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointStatus;
import io.balancedllm.completion.Completion;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.event.HealthChange;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.resilience.RetryPolicy;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.ScriptedAttempt;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;

/** Two scripted endpoints whose health a balancer on virtual time judges, and what is done with them. */
abstract class HealthScene {
    static final ProbeResult DEAD = new ProbeResult(ProbeResult.Status.UNHEALTHY, "refused");
    static final CompletableFuture<ProbeResult> SILENT = new CompletableFuture<>();

    private static final Duration STEP = Duration.ofMillis(50);

    final OneThread world = new OneThread();
    private final List<BalancedLlm> open = new ArrayList<>();
    private final List<CompletableFuture<Completion>> futures = new ArrayList<>();
    final List<HealthChange> changes = new ArrayList<>();
    final ScriptedBackend a = new ScriptedBackend();
    final ScriptedBackend b = new ScriptedBackend();
    RetryPolicy retry = RetryPolicy.builder().budgetPerCall(1).build();

    @AfterEach
    void everythingIsAtRest() {
        futures.forEach(future -> future.cancel(true)); // closing would wait for them on a clock that stands still
        world.settle();
        for (BalancedLlm llm : open) {
            llm.close();
            world.settle();
            assertThat(llm.statistics().running()).isZero();
        }
        assertThat(world.timers.pending()).as("timers after close").allMatch("probe timeout"::equals);
    }

    BalancedLlm balancer(HealthCheck check, Endpoint... endpoints) {
        BalancedLlm.Builder builder =
                world.balancer().healthCheck(check).retry(retry).routing(RoutingPolicies.leastConnections());
        List.of(endpoints).forEach(builder::endpoint);
        BalancedLlm llm = builder.build();
        llm.pool().watch(this::note);
        open.add(llm);
        return llm;
    }

    private void note(PoolEvent event) {
        event.health().ifPresent(changes::add);
    }

    /** A balancer whose endpoints have been probed, and have had their slow start. */
    BalancedLlm healthy(Endpoint... endpoints) {
        BalancedLlm llm = balancer(HealthCheck.defaults(), endpoints);
        pass(HealthCheck.DEFAULT_SLOW_START.multipliedBy(2));
        assertThat(llm.pool().endpoints()).extracting(EndpointStatus::health).containsOnly(HealthState.HEALTHY);
        return llm;
    }

    /** In steps, because probes go out on an executor, which runs between them. */
    void pass(Duration time) {
        Duration left = time;
        while (left.compareTo(STEP) > 0) {
            world.pass(STEP);
            left = left.minus(STEP);
        }
        world.pass(left);
    }

    CompletableFuture<Completion> call(BalancedLlm llm) {
        return call(llm, REQUEST);
    }

    CompletableFuture<Completion> call(BalancedLlm llm, CompletionRequest request) {
        CompletableFuture<Completion> future = llm.completeAsync(request);
        futures.add(future);
        world.settle();
        return future;
    }

    static HealthState health(BalancedLlm llm, String id) {
        return llm.pool().endpoint(id).orElseThrow().health();
    }

    static void answer(ScriptedAttempt attempt) {
        attempt.chunk("fine").complete();
    }

    static LlmException failure(Reason reason, int status) {
        return LlmException.builder(reason, "HTTP " + status).statusCode(status).build();
    }
}
