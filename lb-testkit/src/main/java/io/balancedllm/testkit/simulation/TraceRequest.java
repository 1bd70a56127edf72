/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.CallOptions;

/**
 * One request of a trace. Immutable.
 *
 * @param arrivalSeconds when it came, since the first request of the trace
 * @param prompt what was asked
 * @param outputTokens tokens of the answer, at least 1
 * @param options tenant and session where the trace tells them
 * @param thinkSeconds how long after the answer before it in its session it is asked, when users wait for answers
 */
public record TraceRequest(
        double arrivalSeconds, SimulatedPrompt prompt, int outputTokens, CallOptions options, double thinkSeconds) {
    /** Refuses times before the start, answers without a token and thinking backwards. */
    public TraceRequest {
        if (!(arrivalSeconds >= 0) || Double.isInfinite(arrivalSeconds)) {
            throw new IllegalArgumentException("arrivalSeconds must be finite and at least 0, got " + arrivalSeconds);
        }
        if (!(thinkSeconds >= 0) || Double.isInfinite(thinkSeconds)) {
            throw new IllegalArgumentException("thinkSeconds must be finite and at least 0, got " + thinkSeconds);
        }
        if (outputTokens < 1) {
            throw new IllegalArgumentException("outputTokens must be at least 1, got " + outputTokens);
        }
    }

    /** A request of nobody in particular. */
    public TraceRequest(double arrivalSeconds, SimulatedPrompt prompt, int outputTokens) {
        this(arrivalSeconds, prompt, outputTokens, CallOptions.DEFAULT, 0);
    }

    /** A request that is asked at once, when the answer before it is there. */
    public TraceRequest(double arrivalSeconds, SimulatedPrompt prompt, int outputTokens, CallOptions options) {
        this(arrivalSeconds, prompt, outputTokens, options, 0);
    }
}
