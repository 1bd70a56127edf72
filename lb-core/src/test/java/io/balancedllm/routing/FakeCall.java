/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.completion.CallOptions;
import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.prefix.PromptBlocks;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.random.RandomGenerator;

/** A call of which only chance and, if it is to be explained, the notes matter. */
final class FakeCall implements RoutingContext, DecisionTrace {
    private final RandomGenerator random;
    private final boolean explained;
    final Map<String, Double> terms = new LinkedHashMap<>();
    final Map<String, Integer> cached = new LinkedHashMap<>();
    int promptTokens;
    String id = "call";
    long nowNanos;
    CallOptions options = CallOptions.DEFAULT;

    private FakeCall(RandomGenerator random, boolean explained) {
        this.random = random;
        this.explained = explained;
    }

    static FakeCall seeded(long seed) {
        return new FakeCall(new Random(seed), false);
    }

    static FakeCall with(RandomGenerator random) {
        return new FakeCall(random, false);
    }

    static FakeCall explained(long seed) {
        return new FakeCall(new Random(seed), true);
    }

    @Override
    public String callId() {
        return id;
    }

    @Override
    public PromptBlocks blocks() {
        return PromptBlocks.exact(new long[0], 1, promptTokens);
    }

    @Override
    public int promptTokens() {
        return promptTokens;
    }

    @Override
    public int cachedTokens(EndpointView endpoint) {
        return cached.getOrDefault(endpoint.id(), 0);
    }

    @Override
    public double prefillSeconds(EndpointView endpoint) {
        return endpoint.secondsPerPromptToken() * (promptTokens - cachedTokens(endpoint));
    }

    @Override
    public double attentionShare() {
        return 0;
    }

    @Override
    public double expectedOutputTokens() {
        return 256;
    }

    @Override
    public Operation operation() {
        return Operation.CHAT;
    }

    @Override
    public Optional<String> model() {
        return Optional.empty();
    }

    @Override
    public Optional<CompletionRequest> request() {
        return Optional.empty();
    }

    @Override
    public CallOptions options() {
        return options;
    }

    @Override
    public int attempt() {
        return 1;
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
        return this;
    }

    @Override
    public boolean enabled() {
        return explained;
    }

    @Override
    public void term(EndpointView candidate, String name, double value) {
        if (!explained) {
            throw new AssertionError("noted " + name + " though nobody asked");
        }
        terms.put(candidate.id() + " " + name, value);
    }
}
