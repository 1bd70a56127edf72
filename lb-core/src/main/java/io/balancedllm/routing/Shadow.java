/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.prefix.PromptBlocks;
import java.util.Optional;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A policy that routes all calls, and another one that is asked, too, and not listened to. Says how often they agree, and
 * how much sooner the first token was foreseen where the other one would have gone. Both are told of all attempts.
 * Thread-safe.
 */
public final class Shadow implements RoutingPolicy {
    private static final Logger LOG = LoggerFactory.getLogger(Shadow.class);

    private final RoutingPolicy live;
    private final RoutingPolicy observed;
    private final LongAdder picks = new LongAdder();
    private final LongAdder agreements = new LongAdder();
    private final LongAdder failures = new LongAdder();
    private final DoubleAdder regret = new DoubleAdder();

    Shadow(RoutingPolicy live, RoutingPolicy observed) {
        this.live = live;
        this.observed = observed;
    }

    /**
     * How the two compare.
     *
     * @param picks picks that both made
     * @param agreements of these, the ones with the same endpoint
     * @param meanRegretSeconds how much later the first token was foreseen where the live policy went than where the other
     *     one would have, on average over all picks; negative when sooner. Foreseen by pending prompts and what is not
     *     cached, at the state the live policy has made
     * @param failures picks or events at which the observed policy threw, or picked what was not there to pick
     */
    public record Comparison(long picks, long agreements, double meanRegretSeconds, long failures) {}

    /** {@return how they compare so far} */
    public Comparison comparison() {
        long made = picks.sum();
        return new Comparison(made, agreements.sum(), made == 0 ? 0 : regret.sum() / made, failures.sum());
    }

    @Override
    public EndpointView pick(RoutingContext call, Candidates candidates) {
        EndpointView other = ask(call, candidates);
        EndpointView picked = live.pick(call, candidates);
        if (other != null) {
            picks.increment();
            if (other.equals(picked)) {
                agreements.increment();
            } else if (candidates.contains(picked)) {
                regret.add(foreseen(call, picked) - foreseen(call, other));
            }
        }
        return picked;
    }

    private @Nullable EndpointView ask(RoutingContext call, Candidates candidates) {
        try {
            EndpointView picked = observed.pick(new Untraced(call), candidates);
            if (candidates.contains(picked)) {
                return picked;
            }
            failed("picked " + picked + ", which is not a candidate", null);
        } catch (RuntimeException e) {
            failed("threw", e);
        }
        return null;
    }

    private static double foreseen(RoutingContext call, EndpointView endpoint) {
        return endpoint.pendingPrefillSeconds(call.nowNanos()) + call.prefillSeconds(endpoint);
    }

    private void failed(String what, @Nullable RuntimeException cause) {
        failures.increment();
        LOG.debug("the observed policy {} {}", observed, what, cause);
    }

    @Override
    public void observe(AttemptEvent event) {
        try {
            observed.observe(event);
        } catch (RuntimeException e) {
            failed("threw at an event", e);
        }
        live.observe(event);
    }

    @Override
    public String toString() {
        return "shadow(" + live + ", " + observed + ")";
    }

    /** The same call, of which nothing is noted. */
    private record Untraced(RoutingContext call) implements RoutingContext {
        @Override
        public DecisionTrace trace() {
            return DecisionTrace.OFF;
        }

        @Override
        public String callId() {
            return call.callId();
        }

        @Override
        public Operation operation() {
            return call.operation();
        }

        @Override
        public Optional<String> model() {
            return call.model();
        }

        @Override
        public Optional<CompletionRequest> request() {
            return call.request();
        }

        @Override
        public PromptBlocks blocks() {
            return call.blocks();
        }

        @Override
        public int promptTokens() {
            return call.promptTokens();
        }

        @Override
        public int cachedTokens(EndpointView endpoint) {
            return call.cachedTokens(endpoint);
        }

        @Override
        public double prefillSeconds(EndpointView endpoint) {
            return call.prefillSeconds(endpoint);
        }

        @Override
        public double attentionShare() {
            return call.attentionShare();
        }

        @Override
        public double expectedOutputTokens() {
            return call.expectedOutputTokens();
        }

        @Override
        public CallOptions options() {
            return call.options();
        }

        @Override
        public int attempt() {
            return call.attempt();
        }

        @Override
        public long nowNanos() {
            return call.nowNanos();
        }

        @Override
        public RandomGenerator random() {
            return call.random();
        }
    }
}
