/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Operation;
import java.util.Optional;
import java.util.random.RandomGenerator;

/** What is known about a call when its next attempt is routed. Valid during the pick. */
public interface RoutingContext {
    /** {@return what the call does} */
    Operation operation();

    /** {@return the model asked for, as the endpoints name it} */
    Optional<String> model();

    /** {@return the request; empty for embeddings} */
    Optional<CompletionRequest> request();

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
