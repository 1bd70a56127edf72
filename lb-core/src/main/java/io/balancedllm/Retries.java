/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import io.balancedllm.resilience.RetryPolicy;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** What one call has been through, and so where it may still go and when. Written by messages, read by picks, too. */
final class Retries {
    /** Beyond these a back-off has long reached its bound. */
    private static final int MAX_DOUBLINGS = 30;

    private final EngineRoom room;
    private final Blame blame = new Blame();
    private volatile Tried tried = Tried.NOTHING;
    private volatile int firstPool;
    private int failures;
    private @Nullable LlmException lastFailure;

    Retries(EngineRoom room) {
        this.room = room;
    }

    Tried tried() {
        return tried;
    }

    /** {@return the first pool of the chain that may serve the call: others have said that it does not fit them} */
    int firstPool() {
        return firstPool;
    }

    @Nullable
    LlmException lastFailure() {
        return lastFailure;
    }

    /** The next pick is for another endpoint than that of an attempt that goes on. */
    void hedging(AttemptRun run) {
        tried = tried.with(run.member(), null);
    }

    /** Notes a failed attempt. {@return the failure, which says whether to try again} */
    LlmException failed(AttemptRun run, @Nullable String model, LlmException cause) {
        failures++;
        PoolMember member = run.member();
        LlmException told = cause;
        switch (cause.reason()) {
            case SERVER_ERROR, PROTOCOL_ERROR -> told = blamed(run, cause);
            case MODEL_NOT_FOUND -> {
                if (model != null) {
                    room.modelMissing(member, model);
                }
                told = cause.newBuilder().retryable(true).build();
            }
            case CONTEXT_LENGTH_EXCEEDED -> {
                int next = room.router().poolAfter(member);
                if (next > firstPool) {
                    firstPool = next;
                    told = cause.newBuilder().retryable(true).build();
                }
            }
            default -> {}
        }
        tried = tried.with(member, returnNanos(cause));
        lastFailure = told;
        return told;
    }

    /** A request that fails two endpoints in the same way is at fault itself, and ends here. */
    private LlmException blamed(AttemptRun run, LlmException cause) {
        if (!blame.failed(new Blame.Failed(run.lease, cause, room.nanos()), room.healthOf(run.member()))) {
            return cause;
        }
        return cause.newBuilder()
                .message(cause.message()
                        + "; another endpoint failed in the same way, so the request itself seems to be at fault")
                .retryable(false)
                .build();
    }

    /** {@return when the call may come back to an endpoint that failed so; null for never} */
    private @Nullable Long returnNanos(LlmException cause) {
        Reason reason = cause.reason();
        if (reason == Reason.UNAUTHORIZED
                || reason == Reason.MODEL_NOT_FOUND
                || reason == Reason.CONTEXT_LENGTH_EXCEEDED) {
            return null;
        }
        Duration pause = cause.retryAfter().orElse(Duration.ZERO);
        return pause.compareTo(RetryPolicy.LONGEST_RETRY_AFTER) > 0 ? null : (Long) (room.nanos() + pause.toNanos());
    }

    /** {@return how long to wait before going back to an endpoint: drawn between zero and a bound that doubles} */
    long backoffNanos() {
        RetryPolicy policy = room.resilience().retry();
        int doublings = Math.min(Math.max(0, failures - 1), MAX_DOUBLINGS);
        double bound = Math.min(
                (double) policy.longestBackoff().toNanos(),
                (double) policy.firstBackoff().toNanos() * (1L << doublings));
        return (long) (room.random().nextDouble() * bound);
    }
}
