/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.prefix.PromptBlocks;
import io.balancedllm.prefix.PromptEncoder;
import io.balancedllm.routing.DecisionTrace;
import io.balancedllm.routing.RoutingContext;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * A call to be routed, as the test describes it: by default the first attempt of a plain prompt, at time 0, with chance
 * seeded by a constant. What a policy notes in its trace is kept. For one thread.
 *
 * <pre>{@code
 * FakeRoutingContext call = new FakeRoutingContext().options(CallOptions.builder().session("42").build());
 * policy.pick(call, FakeCandidates.idle(4));
 * }</pre>
 */
public final class FakeRoutingContext implements RoutingContext {
    /** Tokens that answers are expected to have when nothing else is said. */
    public static final double DEFAULT_OUTPUT_TOKENS = 256;

    private final Map<String, Map<String, Double>> terms = new LinkedHashMap<>();
    private Operation operation = Operation.TEXT;
    private @Nullable CompletionRequest request = CompletionRequest.of("Once upon a time");
    private CallOptions options = CallOptions.DEFAULT;
    private final Map<String, Integer> cachedTokens = new HashMap<>();
    private String callId = "call";
    private @Nullable PromptBlocks blocks;
    private double attentionShare;
    private double expectedOutputTokens = DEFAULT_OUTPUT_TOKENS;
    private int attempt = 1;
    private long nowNanos;
    private RandomGenerator random = new Random(1);
    private boolean explained;

    /** A call with the defaults. */
    public FakeRoutingContext() {}

    /** Sets the request, and with it operation and model. */
    public FakeRoutingContext request(CompletionRequest request) {
        this.request = request;
        this.blocks = null;
        this.operation = request.operation();
        return this;
    }

    /** Makes it a call for embeddings, which shows a policy no request. */
    public FakeRoutingContext embeddings() {
        this.request = null;
        this.blocks = null;
        this.operation = Operation.EMBEDDINGS;
        return this;
    }

    /** Sets how the call is served. */
    public FakeRoutingContext options(CallOptions options) {
        this.options = options;
        return this;
    }

    /** Sets the id of the call; at first {@code call}. */
    public FakeRoutingContext callId(String id) {
        this.callId = id;
        return this;
    }

    /** Sets how many tokens the prompt has, which has no blocks then; at first it is encoded from its bytes. */
    public FakeRoutingContext promptTokens(int tokens) {
        return blocks(PromptBlocks.exact(new long[0], 1, tokens));
    }

    /** Sets the prompt as blocks. */
    public FakeRoutingContext blocks(PromptBlocks blocks) {
        this.blocks = blocks;
        return this;
    }

    /** Sets how many tokens of the prompt an endpoint is thought to have cached; at first none. */
    public FakeRoutingContext cachedTokens(String endpoint, int tokens) {
        cachedTokens.put(endpoint, tokens);
        return this;
    }

    /** Sets what a token of a prompt costs more for each token before it; at first nothing. */
    public FakeRoutingContext attentionShare(double share) {
        this.attentionShare = share;
        return this;
    }

    /** Sets how many tokens answers are expected to have. */
    public FakeRoutingContext expectedOutputTokens(double tokens) {
        this.expectedOutputTokens = tokens;
        return this;
    }

    /** Sets which attempt is routed, from 1. */
    public FakeRoutingContext attempt(int number) {
        this.attempt = number;
        return this;
    }

    /** Sets the source of chance. */
    public FakeRoutingContext random(RandomGenerator random) {
        this.random = random;
        return this;
    }

    /** Asks the policy to explain itself; see {@link #terms}. */
    public FakeRoutingContext explained() {
        this.explained = true;
        return this;
    }

    /** Moves the time of the pick. */
    public FakeRoutingContext advance(Duration by) {
        nowNanos += by.toNanos();
        return this;
    }

    /** {@return what the policy noted so far: endpoint id, name of the term, value} */
    public Map<String, Map<String, Double>> terms() {
        return terms;
    }

    @Override
    public String callId() {
        return callId;
    }

    @Override
    public PromptBlocks blocks() {
        PromptBlocks known = blocks;
        if (known == null) {
            known = request == null ? PromptBlocks.NONE : PromptEncoder.bytes().encode(request, options);
            blocks = known;
        }
        return known;
    }

    @Override
    public int promptTokens() {
        return blocks().promptTokens();
    }

    @Override
    public int cachedTokens(EndpointView endpoint) {
        return Math.min(cachedTokens.getOrDefault(endpoint.id(), 0), Math.max(0, promptTokens() - 1));
    }

    @Override
    public double prefillSeconds(EndpointView endpoint) {
        double cached = cachedTokens(endpoint);
        double uncached = Math.max(1, promptTokens() - cached);
        return endpoint.secondsPerPromptToken() * uncached * (1 + attentionShare * (cached + uncached / 2));
    }

    @Override
    public double attentionShare() {
        return attentionShare;
    }

    @Override
    public double expectedOutputTokens() {
        return expectedOutputTokens;
    }

    @Override
    public Operation operation() {
        return operation;
    }

    @Override
    public Optional<String> model() {
        return request().flatMap(CompletionRequest::model);
    }

    @Override
    public Optional<CompletionRequest> request() {
        return Optional.ofNullable(request);
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
        if (!explained) {
            return DecisionTrace.OFF;
        }
        return new DecisionTrace() {
            @Override
            public boolean enabled() {
                return true;
            }

            @Override
            public void term(EndpointView candidate, String name, double value) {
                terms.computeIfAbsent(candidate.id(), id -> new LinkedHashMap<>())
                        .put(name, value);
            }
        };
    }
}
