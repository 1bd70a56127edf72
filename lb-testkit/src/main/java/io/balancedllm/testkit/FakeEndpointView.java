/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.endpoint.EngineReport;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;

/**
 * An endpoint as a routing policy sees it, with numbers the test sets. Idle, of weight 1, at first. Thread-safe.
 *
 * <pre>{@code
 * FakeEndpointView busy = new FakeEndpointView("gpu-1").inFlight(12).weight(2).label("zone", "a");
 * policy.pick(new FakeRoutingContext(), FakeCandidates.of(busy, new FakeEndpointView("gpu-2")));
 * }</pre>
 */
public final class FakeEndpointView implements EndpointView {
    /** Seconds for a token of a prompt when nothing else is said. */
    public static final double DEFAULT_SECONDS_PER_PROMPT_TOKEN = 1e-4;

    private final String id;
    private final Map<String, String> labels = new ConcurrentHashMap<>();
    private final Map<EndpointLocal<?>, Object> locals = new ConcurrentHashMap<>();
    private volatile double weight = 1;
    private volatile int maxConcurrency = Endpoint.DEFAULT_MAX_CONCURRENCY;
    private volatile int inFlight;
    private volatile long pendingPromptTokens;
    private volatile double pendingPrefillSeconds;
    private volatile double contextTokens;
    private volatile double kvTokensInUse;
    private volatile OptionalLong kvCapacityTokens = OptionalLong.empty();
    private volatile double freedTokensPerSecond;
    private volatile double secondsPerPromptToken = DEFAULT_SECONDS_PER_PROMPT_TOKEN;
    private volatile Optional<EngineReport> report = Optional.empty();
    private volatile int inFlightThen;

    /** An idle endpoint. */
    public FakeEndpointView(String id) {
        this.id = id;
    }

    /** Sets the weight, above 0. */
    public FakeEndpointView weight(double weight) {
        if (!(weight > 0)) {
            throw new IllegalArgumentException("weight must be above 0, got " + weight);
        }
        this.weight = weight;
        return this;
    }

    /** Sets how many attempts run there. */
    public FakeEndpointView inFlight(int attempts) {
        inFlight = attempts;
        return this;
    }

    /** Sets how many attempts it takes at a time. */
    public FakeEndpointView maxConcurrency(int attempts) {
        maxConcurrency = attempts;
        return this;
    }

    /** Sets the tokens of prompts without a first token. */
    public FakeEndpointView pendingPromptTokens(long tokens) {
        pendingPromptTokens = tokens;
        return this;
    }

    /** Sets for how long it is busy with prompts, whatever the time. */
    public FakeEndpointView pendingPrefillSeconds(double seconds) {
        pendingPrefillSeconds = seconds;
        return this;
    }

    /** Sets the tokens that its running attempts read at each step. */
    public FakeEndpointView contextTokens(double tokens) {
        contextTokens = tokens;
        return this;
    }

    /** Sets the tokens of KV memory that its running attempts need. */
    public FakeEndpointView kvTokensInUse(double tokens) {
        kvTokensInUse = tokens;
        return this;
    }

    /** Sets how many tokens of KV memory it has; at first not known. */
    public FakeEndpointView kvCapacityTokens(long tokens) {
        kvCapacityTokens = OptionalLong.of(tokens);
        return this;
    }

    /** Sets the tokens of KV memory that it gets back a second. */
    public FakeEndpointView freedTokensPerSecond(double tokens) {
        freedTokensPerSecond = tokens;
        return this;
    }

    /** Sets how long it takes for a token of a prompt; {@value #DEFAULT_SECONDS_PER_PROMPT_TOKEN} at first. */
    public FakeEndpointView secondsPerPromptToken(double seconds) {
        secondsPerPromptToken = seconds;
        return this;
    }

    /** Sets a label. */
    public FakeEndpointView label(String name, String value) {
        labels.put(name, value);
        return this;
    }

    /** Sets what its engine said last; what is in flight now was so then. */
    public FakeEndpointView report(EngineReport report) {
        this.report = Optional.of(report);
        inFlightThen = inFlight;
        return this;
    }

    @Override
    public String id() {
        return id;
    }

    @Override
    public double weight() {
        return weight;
    }

    @Override
    public Map<String, String> labels() {
        return Map.copyOf(labels);
    }

    @Override
    public int maxConcurrency() {
        return maxConcurrency;
    }

    @Override
    public int inFlight() {
        return inFlight;
    }

    @Override
    public long pendingPromptTokens() {
        return pendingPromptTokens;
    }

    @Override
    public double pendingPrefillSeconds(long nowNanos) {
        return pendingPrefillSeconds;
    }

    @Override
    public double contextTokens() {
        return contextTokens;
    }

    @Override
    public double kvTokensInUse() {
        return kvTokensInUse;
    }

    @Override
    public OptionalLong kvCapacityTokens() {
        return kvCapacityTokens;
    }

    @Override
    public double freedTokensPerSecond() {
        return freedTokensPerSecond;
    }

    @Override
    public double secondsPerPromptToken() {
        return secondsPerPromptToken;
    }

    @Override
    public Optional<EngineReport> report() {
        return report;
    }

    @Override
    public int inFlightSinceReport() {
        return report.isPresent() ? inFlight - inFlightThen : 0;
    }

    @Override
    @SuppressWarnings("unchecked") // only newState of the same key was put there
    public <T> T local(EndpointLocal<T> local) {
        return (T) locals.computeIfAbsent(local, key -> local.newState(this));
    }

    @Override
    public String toString() {
        return id + "{weight=" + weight + ", inFlight=" + inFlight + "}";
    }
}
