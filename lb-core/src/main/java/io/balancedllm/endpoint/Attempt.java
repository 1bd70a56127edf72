/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import io.balancedllm.completion.CallOptions;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One try to have one request answered by one backend. Immutable.
 *
 * @param <R> what is asked: a completion or an embedding request
 */
public final class Attempt<R> {
    private final R request;
    private final CallOptions options;
    private final String callId;
    private final int number;
    private final Map<String, String> headers;
    private final @Nullable Duration remaining;

    /**
     * An attempt.
     *
     * @param request what is asked, its model named as the backend names it
     * @param options how the call is served
     * @param callId identifies the call in logs, the same for all its attempts
     * @param number 1 for the first attempt of a call
     * @param headers to send along where there is a wire: trace context and the like
     * @param remaining what is left of the call's timeout, null when it has none
     */
    public Attempt(
            R request,
            CallOptions options,
            String callId,
            int number,
            Map<String, String> headers,
            @Nullable Duration remaining) {
        this.request = request;
        this.options = options;
        this.callId = callId;
        this.number = number;
        this.headers = Map.copyOf(headers);
        this.remaining = remaining;
    }

    /** {@return a first attempt with default options: for using a backend without a balancer} */
    public static <R> Attempt<R> of(R request) {
        return new Attempt<>(request, CallOptions.DEFAULT, "direct", 1, Map.of(), null);
    }

    /** {@return what is asked, its model named as the backend names it} */
    public R request() {
        return request;
    }

    /** {@return how the call is served} */
    public CallOptions options() {
        return options;
    }

    /** {@return the id of the call, the same for all its attempts} */
    public String callId() {
        return callId;
    }

    /** {@return 1 for the first attempt of a call} */
    public int number() {
        return number;
    }

    /** {@return headers to send along where there is a wire} */
    public Map<String, String> headers() {
        return headers;
    }

    /** {@return what was left of the call's timeout when the attempt began, if it has one} */
    public Optional<Duration> remaining() {
        return Optional.ofNullable(remaining);
    }

    @Override
    public String toString() {
        return "Attempt{" + callId + " #" + number + ", " + request + "}";
    }
}
