/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import org.jspecify.annotations.Nullable;

/**
 * Whose fault the failures of one call are: a request that fails the same way on two endpoints which answer others is at
 * fault itself. Only failures count with which an endpoint answered; that two cannot be reached says nothing about the
 * request. Touched by messages of the call only.
 */
final class Blame {
    /**
     * A failed attempt.
     *
     * @param nanos when it ended
     */
    record Failed(Lease lease, LlmException failure, long nanos) {}

    private @Nullable Failed earlier;

    /**
     * An attempt failed, and its endpoint has counted it. The endpoints are forgiven when both answer others.
     *
     * @param health judges the endpoints of its pool
     * @return whether the request is at fault, so that it is not to be tried again
     */
    boolean failed(Failed now, PoolHealth health) {
        Failed before = earlier;
        if (!isAnswer(now.failure())) {
            return false;
        }
        earlier = now;
        if (before == null
                || before.lease().member().equals(now.lease().member())
                || !isAlike(before.failure(), now.failure())) {
            return false;
        }
        health.blame(before, now, now.nanos());
        return true;
    }

    private static boolean isAnswer(LlmException failure) {
        return failure.reason() == Reason.SERVER_ERROR || failure.reason() == Reason.PROTOCOL_ERROR;
    }

    private static boolean isAlike(LlmException one, LlmException other) {
        return one.reason() == other.reason() && one.statusCode().equals(other.statusCode());
    }
}
