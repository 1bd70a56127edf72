/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.completion.CallOptions;
import java.util.Optional;

/**
 * What of a call is hashed to find its endpoint. A call with an {@link CallOptions#affinityKey} is found by that, whatever
 * is chosen here.
 */
public enum HashKey {
    /** The conversation: {@link CallOptions#session}. */
    SESSION,
    /** The field {@code user} of the request; else {@link CallOptions#tenant}. */
    USER,
    /** {@link CallOptions#clientAddress}. */
    CLIENT_ADDRESS;

    /** {@return the key of a call, when it has one} */
    public Optional<String> of(RoutingContext call) {
        CallOptions options = call.options();
        if (options.affinityKey().isPresent()) {
            return options.affinityKey();
        }
        return switch (this) {
            case SESSION -> options.session();
            case USER -> user(call).or(options::tenant);
            case CLIENT_ADDRESS -> options.clientAddress();
        };
    }

    private static Optional<String> user(RoutingContext call) {
        return call.request()
                .map(request -> request.extra().get("user"))
                .filter(String.class::isInstance)
                .map(String.class::cast);
    }
}
