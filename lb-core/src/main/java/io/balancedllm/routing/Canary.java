/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.completion.AttemptSummary;
import io.balancedllm.endpoint.EndpointView;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;

/**
 * Two policies of which each routes a share of the calls, and what came of it. All attempts of a call are routed by the same
 * one. Thread-safe.
 */
public final class Canary implements RoutingPolicy {
    private static final double NANOS_PER_SECOND = 1e9;
    private static final double TO_UNIT = 0x1.0p-53;

    private final Counted control;
    private final Counted candidate;
    private final double share;

    Canary(RoutingPolicy control, RoutingPolicy candidate, double share) {
        if (!(share >= 0 && share <= 1)) {
            throw new IllegalArgumentException("share must be 0 to 1, got " + share);
        }
        this.control = new Counted(control);
        this.candidate = new Counted(candidate);
        this.share = share;
    }

    /**
     * What became of the attempts one policy routed.
     *
     * @param dispatched attempts sent
     * @param completed attempts answered to the end
     * @param failed attempts that failed
     * @param meanFirstTokenSeconds mean time from dispatch to first token, 0 before the first
     * @param meanSeconds mean time from dispatch to the end of those that completed, 0 before the first
     */
    public record Arm(long dispatched, long completed, long failed, double meanFirstTokenSeconds, double meanSeconds) {}

    /** {@return what became of what the control routed} */
    public Arm control() {
        return control.snapshot();
    }

    /** {@return what became of what the candidate routed} */
    public Arm candidate() {
        return candidate.snapshot();
    }

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        return arm(call.callId()).policy.pick(call, candidates);
    }

    @Override
    public void observe(AttemptEvent event) {
        Counted arm = arm(event.callId());
        arm.count(event);
        arm.policy.observe(event);
    }

    private Counted arm(String callId) {
        double unit = (Rendezvous.hash(callId) >>> 11) * TO_UNIT;
        return unit < share ? candidate : control;
    }

    private static final class Counted {
        private final RoutingPolicy policy;
        private final LongAdder dispatched = new LongAdder();
        private final LongAdder firstTokens = new LongAdder();
        private final LongAdder completed = new LongAdder();
        private final LongAdder failed = new LongAdder();
        private final DoubleAdder firstTokenSeconds = new DoubleAdder();
        private final DoubleAdder seconds = new DoubleAdder();

        private Counted(RoutingPolicy policy) {
            this.policy = policy;
        }

        private void count(AttemptEvent event) {
            if (event instanceof AttemptEvent.Dispatched) {
                dispatched.increment();
            } else if (event instanceof AttemptEvent.FirstToken first) {
                firstTokens.increment();
                firstTokenSeconds.add(first.sinceDispatchNanos() / NANOS_PER_SECOND);
            } else if (event instanceof AttemptEvent.Ended ended) {
                AttemptSummary summary = ended.summary();
                if (summary.outcome() == AttemptSummary.Outcome.COMPLETED) {
                    completed.increment();
                    seconds.add(summary.duration().toNanos() / NANOS_PER_SECOND);
                } else if (summary.outcome() == AttemptSummary.Outcome.FAILED) {
                    failed.increment();
                }
            }
        }

        private Arm snapshot() {
            return new Arm(
                    dispatched.sum(),
                    completed.sum(),
                    failed.sum(),
                    mean(firstTokenSeconds.sum(), firstTokens.sum()),
                    mean(seconds.sum(), completed.sum()));
        }

        private static double mean(double sum, long count) {
            return count == 0 ? 0 : sum / count;
        }
    }

    @Override
    public String toString() {
        return "canary(" + control.policy + ", " + candidate.policy + ", " + share + ")";
    }
}
