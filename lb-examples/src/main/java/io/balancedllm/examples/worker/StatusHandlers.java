/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.worker;

import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.ProbeResult;
import io.balancedllm.endpoint.ProbeResult.Status;
import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.openai.OpenAiJson;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.SameThreadExecutor;
import io.undertow.util.StatusCodes;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

/** Answers {@code /health} and {@code /v1/models} without a thread to wait on, so that a busy worker still answers. */
final class StatusHandlers {
    private static final Duration PROBE_TIMEOUT = Duration.ofSeconds(1);

    private final List<Endpoint> endpoints;

    StatusHandlers(List<Endpoint> endpoints) {
        this.endpoints = List.copyOf(endpoints);
    }

    /** Healthy while at least one replica is ready; busy is healthy. */
    void health(HttpServerExchange exchange) {
        exchange.dispatch(SameThreadExecutor.INSTANCE, () -> probe(exchange));
    }

    private void probe(HttpServerExchange exchange) {
        List<CompletableFuture<ProbeResult>> probes = endpoints.stream()
                .map(endpoint -> endpoint.backend().probe(PROBE_TIMEOUT).toCompletableFuture())
                .toList();
        CompletableFuture<Void> all = CompletableFuture.allOf(probes.toArray(CompletableFuture[]::new));
        var unused = all.whenComplete((done, failure) -> reply(exchange, probes));
    }

    private static void reply(HttpServerExchange exchange, List<CompletableFuture<ProbeResult>> probes) {
        Stream<ProbeResult> results = probes.stream()
                .filter(probe -> !probe.isCompletedExceptionally())
                .map(CompletableFuture::join);
        List<ProbeResult> found = results.toList();
        if (found.stream().anyMatch(result -> result.status() == Status.READY)) {
            Replies.json(exchange, bytes(new JsonLine().put("status", "ok")));
        } else {
            Replies.error(
                    exchange,
                    StatusCodes.SERVICE_UNAVAILABLE,
                    "no replica is ready: "
                            + found.stream().map(ProbeResult::detail).distinct().toList());
        }
    }

    void models(HttpServerExchange exchange) {
        List<String> models = endpoints.stream()
                .flatMap(endpoint -> endpoint.backend().traits().models().stream())
                .distinct()
                .toList();
        Replies.json(exchange, OpenAiJson.writeModels(models, "balancedllm"));
    }

    private static byte[] bytes(JsonLine json) {
        return json.toString().getBytes(StandardCharsets.UTF_8);
    }
}
