/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.prefix.PrefixIndex;
import io.balancedllm.prefix.PromptBlocks;
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
    private static final int[] UNKNOWN = {};

    private final Call call;
    private final @Nullable String model;
    private final int attempt;
    private final long nowNanos;
    private final PoolLoad load;
    /** Tokens held by each endpoint of the index, by its slot; found by one walk for all, when somebody asks. */
    private int @Nullable [] cached;

    private final RandomGenerator random;
    private final DecisionTrace trace;

    PickContext(Call call, @Nullable String model, long nowNanos, RandomGenerator random) {
        this.call = call;
        this.model = model;
        this.attempt = call.attemptsMade() + 1;
        this.nowNanos = nowNanos;
        this.random = random;
        this.load = call.prompt().pool();
        this.trace = call.options().explain() ? new Notes() : DecisionTrace.OFF;
    }

    @Override
    public String callId() {
        return call.id();
    }

    @Override
    public PromptBlocks blocks() {
        load.keep(PoolLoad.Kept.PREFIXES);
        return call.prompt().blocks();
    }

    @Override
    public int promptTokens() {
        load.keep(PoolLoad.Kept.PROMPT_TOKENS);
        return load.promptTokens(call.prompt().blocks());
    }

    @Override
    public int cachedTokens(EndpointView endpoint) {
        int[] found = cached;
        if (found == null) {
            found = match(blocks());
            cached = found;
        }
        int slot = endpoint instanceof PoolMember member ? member.load().slot() : EndpointLoad.NO_SLOT;
        return slot >= 0 && slot < found.length ? found[slot] : 0;
    }

    private int[] match(PromptBlocks blocks) {
        PrefixIndex index = load.index();
        if (index == null) {
            return UNKNOWN;
        }
        int[] found = new int[index.slots()];
        if (index.match(blocks, found) > 0) {
            int before = 0;
            int tokens = 0;
            for (int slot = 0; slot < found.length; slot++) {
                if (found[slot] != before) {
                    before = found[slot];
                    tokens = load.cachedTokens(blocks, before);
                }
                found[slot] = tokens;
            }
        }
        return found;
    }

    @Override
    public double prefillSeconds(EndpointView endpoint) {
        return endpoint.secondsPerPromptToken()
                * PromptWork.work(promptTokens(), cachedTokens(endpoint), attentionShare());
    }

    @Override
    public double attentionShare() {
        load.keep(PoolLoad.Kept.PROMPT_TOKENS);
        return load.speed().attentionShare();
    }

    @Override
    public double expectedOutputTokens() {
        load.keep(PoolLoad.Kept.PROMPT_TOKENS);
        return load.expectedOutputTokens();
    }

    @Override
    public Operation operation() {
        return call.operation();
    }

    @Override
    public Optional<String> model() {
        return Optional.ofNullable(model);
    }

    @Override
    public Optional<CompletionRequest> request() {
        return call.work().completionRequest();
    }

    @Override
    public CallOptions options() {
        return call.options();
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
