/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.routing.Candidates;
import io.balancedllm.routing.DecisionTrace;
import io.balancedllm.routing.RoutingContext;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** One pick of one call: what the policy is told, and what it noted. Used by one thread. */
final class PickContext implements RoutingContext {
    private final Work work;
    private final @Nullable String model;
    private final CallOptions options;
    private final int attempt;
    private final long nowNanos;
    private final RandomGenerator random;
    private final DecisionTrace trace;

    PickContext(
            Work work,
            @Nullable String model,
            CallOptions options,
            int attempt,
            long nowNanos,
            RandomGenerator random) {
        this.work = work;
        this.model = model;
        this.options = options;
        this.attempt = attempt;
        this.nowNanos = nowNanos;
        this.random = random;
        this.trace = options.explain() ? new Notes() : DecisionTrace.OFF;
    }

    @Override
    public Operation operation() {
        return work.operation();
    }

    @Override
    public Optional<String> model() {
        return Optional.ofNullable(model);
    }

    @Override
    public Optional<CompletionRequest> request() {
        return work.completionRequest();
    }

    @Override
    public CallOptions options() {
        return options;
    }

    @Override
    public int attempt() {
        return attempt;
    }

    @Override
    public long nowNanos() {
        return nowNanos;
    }

    @Override
    public RandomGenerator random() {
        return random;
    }

    @Override
    public DecisionTrace trace() {
        return trace;
    }

    /** {@return the candidates for the decision record; none when the call is not to be explained} */
    List<DecisionRecord.Candidate> explain(Candidates candidates, EndpointView picked) {
        if (!(trace instanceof Notes notes)) {
            return List.of();
        }
        List<DecisionRecord.Candidate> result = new ArrayList<>(candidates.size());
        for (EndpointView candidate : candidates) {
            result.add(new DecisionRecord.Candidate(
                    candidate.id(),
                    candidate.inFlight(),
                    candidate.equals(picked),
                    java.util.Collections.unmodifiableMap(notes.terms.getOrDefault(candidate, new LinkedHashMap<>()))));
        }
        return result;
    }

    private static final class Notes implements DecisionTrace {
        private final Map<EndpointView, Map<String, Double>> terms = new HashMap<>();

        @Override
        public boolean enabled() {
            return true;
        }

        @Override
        public void term(EndpointView candidate, String name, double value) {
            terms.computeIfAbsent(candidate, c -> new LinkedHashMap<>()).put(name, value);
        }
    }
}
