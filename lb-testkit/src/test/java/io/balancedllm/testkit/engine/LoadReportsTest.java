/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.engine;

import static io.balancedllm.testkit.engine.OneThread.REQUEST;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.completion.Completion;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.testkit.ScriptedBackend;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class LoadReportsTest {
    private static final Duration SECOND = EndpointPool.DEFAULT_REPORT_INTERVAL;

    private final OneThread world = new OneThread();
    private final ScriptedBackend backend = new ScriptedBackend();
    private final List<OptionalInt> seen = new ArrayList<>();

    private BalancedLlm balancer(EndpointPool.Builder pool) {
        return BalancedLlm.builder()
                .executor(world.loop)
                .callbackExecutor(world.callbacks)
                .scheduler(world.timers)
                .ticker(world.timers.ticker())
                .random(new Random(1))
                .pool(pool.healthCheck(HealthCheck.off())
                        .add(Endpoint.of("a", backend))
                        .build())
                .routing((call, candidates) -> {
                    EndpointView only = candidates.get(0);
                    seen.add(only.engineRequests());
                    return only;
                })
                .build();
    }

    private void call(BalancedLlm llm) {
        CompletableFuture<Completion> unused = llm.completeAsync(REQUEST);
        world.settle();
    }

    private static EngineReport load(int running, int waiting) {
        return EngineReport.builder().running(running).waiting(waiting).build();
    }

    @Test
    @DisplayName("D2: policies see what engines say, with what was sent since")
    void policiesSeeWhatEnginesSayWithWhatWasSentSince() {
        BalancedLlm llm = balancer(EndpointPool.builder().reportEvery(SECOND));
        backend.load(load(5, 2));
        call(llm);
        world.pass(SECOND.multipliedBy(2));
        call(llm);
        call(llm);
        assertThat(seen).containsExactly(OptionalInt.empty(), OptionalInt.of(7), OptionalInt.of(8));
    }

    @Test
    void nobodyIsAskedUnlessThatIsWanted() {
        BalancedLlm llm = balancer(EndpointPool.builder());
        backend.load(load(5, 2));
        world.pass(SECOND.multipliedBy(10));
        call(llm);
        assertThat(seen).containsExactly(OptionalInt.empty());
        assertThat(world.timers.pending()).doesNotContain("load report");
    }

    @Test
    @DisplayName("D2: an engine that stops answering has no load rather than an old one")
    void anEngineThatStopsAnsweringHasNoLoad() {
        BalancedLlm llm = balancer(EndpointPool.builder().reportEvery(SECOND));
        backend.load(load(5, 2));
        world.pass(SECOND.multipliedBy(2));
        backend.load(new CompletableFuture<>()); // never answers, so is asked no more until it does
        world.pass(Duration.ofMinutes(1));
        call(llm);
        assertThat(seen).containsExactly(OptionalInt.empty());
    }

    @Test
    void anEngineThatFailsToReportIsAskedOn() {
        BalancedLlm llm = balancer(EndpointPool.builder().reportEvery(SECOND));
        backend.load(CompletableFuture.failedFuture(new IllegalStateException("broken")));
        world.pass(SECOND.multipliedBy(5));
        backend.load(CompletableFuture.completedFuture(Optional.of(load(1, 0))));
        world.pass(SECOND.multipliedBy(2));
        call(llm);
        assertThat(seen).containsExactly(OptionalInt.of(1));
    }

    @Test
    void anEndpointThatHasLeftIsNotAsked() {
        BalancedLlm llm = balancer(EndpointPool.builder().reportEvery(SECOND));
        world.pass(SECOND.multipliedBy(2));
        assertThat(world.timers.pending()).contains("load report");
        llm.pool().remove("a");
        world.pass(SECOND.multipliedBy(2));
        assertThat(world.timers.pending()).doesNotContain("load report");
    }

    @Test
    void anIntervalThatCannotBeIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> EndpointPool.builder().reportEvery(Duration.ZERO))
                .withMessageContaining("reportEvery");
    }
}
