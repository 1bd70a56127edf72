/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.facade;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.EndpointPool;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.HealthState;
import io.balancedllm.event.HealthChange;
import io.balancedllm.event.PoolEvent;
import io.balancedllm.health.HealthCheck;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.MockLlmServer;
import io.balancedllm.testkit.MockResponse;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Health over real sockets and real time: tests wait for what is told, never for a time. */
@Timeout(120)
class HealthLoopbackTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final CompletionRequest CHAT =
            CompletionRequest.builder().user("Tell me a story").build();

    private final MockLlmServer server = MockLlmServer.start();
    private final MockLlmServer other = MockLlmServer.start();
    private final BlockingQueue<HealthChange> changes = new LinkedBlockingQueue<>();
    private final EndpointPool pool = EndpointPool.builder()
            .add(Endpoint.of("server", OpenAiBackend.at(server.url())))
            .add(Endpoint.of("other", OpenAiBackend.at(other.url())))
            .healthCheck(HealthCheck.every(Duration.ofMillis(20)))
            .build();

    private BalancedLlm start() {
        pool.watch(this::note);
        return BalancedLlm.builder()
                .pool(pool)
                .routing(RoutingPolicies.roundRobin())
                .build();
    }

    private void note(PoolEvent event) {
        if (event.endpoint().equals("server")) {
            event.health().ifPresent(changes::add);
        }
    }

    private HealthChange await(HealthState state) throws InterruptedException {
        while (true) {
            HealthChange change = changes.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            if (change == null) {
                throw new AssertionError("never became " + state);
            }
            if (change.to() == state) {
                return change;
            }
        }
    }

    @AfterEach
    void close() {
        server.close();
        other.close();
    }

    @Test
    @DisplayName("C15: a llama.cpp that loads is warming, gets no request, and is used when it is ready")
    void aLoadingServerIsWarming() throws Exception {
        server.on("/health", MockResponse.error(503, "Loading model", "unavailable_error"));
        try (BalancedLlm llm = start()) {
            assertThat(await(HealthState.WARMING).reason()).contains("Loading model");
            for (int i = 0; i < 5; i++) {
                assertThat(llm.complete(CHAT).text()).isEqualTo("Once upon a time");
            }
            assertThat(server.requests()).noneMatch(request -> request.method().equals("POST"));

            server.on("/health", MockResponse.json(200, "{}"));
            await(HealthState.RAMPING);
        }
    }

    @Test
    void aServerWhoseHealthFailsIsOutUntilItAnswers() throws Exception {
        try (BalancedLlm llm = start()) {
            await(HealthState.RAMPING);
            server.on("/health", MockResponse.error(503, "engine dead", ""));
            assertThat(await(HealthState.UNHEALTHY).reason()).contains("503");
            for (int i = 0; i < 5; i++) {
                assertThat(llm.complete(CHAT).text()).isEqualTo("Once upon a time");
            }
            server.on("/health", MockResponse.json(200, "{}"));
            await(HealthState.RAMPING);
        }
    }

    @Test
    @DisplayName("C17: a server that falls silent, to its probes too, is suspected, and calls go elsewhere")
    void aSilentServerIsSuspected() throws Exception {
        server.dispatch(request -> MockResponse.json(200, "{}").stallHead());
        server.on("/health", MockResponse.json(200, "{}"));
        try (BalancedLlm llm = start()) {
            await(HealthState.RAMPING);
            var first = llm.completeAsync(CHAT);
            var second = llm.completeAsync(CHAT);
            server.takeRequest(PATIENCE).awaitStalled(PATIENCE);
            server.on("/health", MockResponse.json(200, "{}").stallHead());
            HealthChange change = await(HealthState.SUSPECTED);
            assertThat(change.reason()).contains("silent while requests wait");
            first.cancel(true);
            second.cancel(true);
        }
    }

    @Test
    @DisplayName("C2: the pause a server asks for by its rate limit headers is kept")
    void rateLimitHeadersAreAPause() throws Exception {
        server.dispatch(request -> request.method().equals("POST")
                ? MockResponse.error(429, "slow down", "rate_limit_error")
                        .header("x-ratelimit-remaining-requests", "0")
                        .header("x-ratelimit-reset-requests", "50s")
                : server.goodAnswer(request));
        try (BalancedLlm llm = start()) {
            await(HealthState.RAMPING);
            for (int i = 0; i < 20; i++) {
                assertThat(llm.complete(CHAT).text()).isEqualTo("Once upon a time");
            }
            await(HealthState.COOLING);
            assertThat(server.requests().stream()
                            .filter(request -> request.method().equals("POST"))
                            .count())
                    .isOne();
        }
    }
}
