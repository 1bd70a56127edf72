/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.event;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.endpoint.ResponseInfo;

/** Is told about one attempt of a call. Runs on the loop. */
public interface AttemptListener {
    /**
     * The endpoint took the request.
     *
     * @param info the head of its response
     */
    default void accepted(ResponseInfo info) {}

    /** The first token came. */
    default void firstToken() {}

    /**
     * The attempt ended. Comes exactly once, and nothing comes after it.
     *
     * @param summary how
     */
    default void ended(AttemptSummary summary) {}
}
