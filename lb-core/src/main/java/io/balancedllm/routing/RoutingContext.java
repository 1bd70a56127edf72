/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.prefix.PromptBlocks;
import java.util.Optional;
import java.util.random.RandomGenerator;

/** What is known about a call when its next attempt is routed. Valid during the pick. */
public interface RoutingContext {
    /** {@return the id of the call, the same in the events of its attempts} */
    String callId();

    /** {@return what the call does} */
    Operation operation();

    /** {@return the model asked for, as the endpoints name it} */
    Optional<String> model();

    /** {@return the request; empty for embeddings} */
    Optional<CompletionRequest> request();

    /** {@return the prompt as blocks, as the balancer's encoder sees it; none for embeddings} */
    PromptBlocks blocks();

    /** {@return tokens of the prompt, estimated from its bytes unless the encoder knows better; 0 for embeddings} */
    int promptTokens();

    /**
     * {@return how many of the prompt's tokens the endpoint is thought to have cached; less than {@link #promptTokens},
     * since engines always compute the last one}
     */
    int cachedTokens(EndpointView endpoint);

    /**
     * {@return how long the endpoint would compute what it has not cached of the prompt, in seconds}
     *
     * <p>With u tokens to compute after c cached ones, it is {@code secondsPerPromptToken * u * (1 + attentionShare * (c +
     * u / 2))}.
     */
    double prefillSeconds(EndpointView endpoint);

    /** {@return what attending to one earlier token costs, as a share of the rest of a prompt token's cost; learned} */
    double attentionShare();

    /** {@return how many tokens answers have lately, on average} */
    double expectedOutputTokens();

    /** {@return how the call is served} */
    CallOptions options();

    /** {@return 1 when the first attempt is routed} */
    int attempt();

    /** {@return the time of the pick, in nanoseconds of the balancer's ticker} */
    long nowNanos();

    /** {@return the balancer's source of chance; seeded in tests} */
    RandomGenerator random();

    /** {@return where to note what was weighed} */
    DecisionTrace trace();
}
