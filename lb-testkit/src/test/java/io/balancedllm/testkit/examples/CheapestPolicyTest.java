/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.examples;

import static java.util.Comparator.comparingDouble;
import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.BalancedLlm;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.RoutingContext;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.testkit.ScriptedBackend;
import java.util.Collections;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** A routing policy of one's own: take the cheapest endpoint that has room. */
class CheapestPolicyTest {
    record Cheapest(Map<String, Double> price) implements RoutingPolicy {
        @Override
        public EndpointView pick(RoutingContext call, Candidates candidates) {
            return Collections.min(candidates, comparingDouble(e -> price.getOrDefault(e.id(), 1.0)));
        }
    }

    @Test
    void callsGoToTheCheapestEndpointAndSpillOverWhenItIsFull() {
        ScriptedBackend busy = new ScriptedBackend();
        try (BalancedLlm llm = BalancedLlm.builder()
                .endpoint("gpu", ScriptedBackend.answering("from the expensive one"))
                .endpoint(Endpoint.builder("spot", busy).maxConcurrency(1).build())
                .routing(new Cheapest(Map.of("spot", 0.2)))
                .build()) {
            CompletableFuture<String> cheap = llm.completeAsync(CompletionRequest.of("Once"))
                    .thenApply(answer -> answer.decision().orElseThrow().endpoint());

            assertThat(llm.complete(CompletionRequest.of("upon")).text()).isEqualTo("from the expensive one");

            busy.takeAttempt().chunk("from the cheap one").complete();
            assertThat(cheap.join()).isEqualTo("spot");
        }
    }
}
