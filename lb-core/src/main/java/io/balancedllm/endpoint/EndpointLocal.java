/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import java.util.function.Function;

/**
 * A key to state that a policy keeps for each endpoint, like a {@link ThreadLocal} is for threads. Keep it in a field
 * of the policy. The state must be thread-safe: picks run at the same time.
 *
 * @param <T> the type of the state
 */
public final class EndpointLocal<T> {
    private final Function<EndpointView, T> initial;

    private EndpointLocal(Function<EndpointView, T> initial) {
        this.initial = initial;
    }

    /** {@return a key whose state is made by this function; it may be called more than once, the first result stays} */
    public static <T> EndpointLocal<T> withInitial(Function<EndpointView, T> initial) {
        return new EndpointLocal<>(initial);
    }

    /** {@return new state for an endpoint: what implementations of {@link EndpointView#local} call on first use} */
    public T newState(EndpointView endpoint) {
        return initial.apply(endpoint);
    }
}
