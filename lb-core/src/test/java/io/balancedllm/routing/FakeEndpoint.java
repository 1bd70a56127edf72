/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.endpoint.EngineReport;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** An endpoint whose numbers a test sets, and which counts how often they are read. */
final class FakeEndpoint implements EndpointView {
    private final String id;
    private final Map<EndpointLocal<?>, Object> locals = new ConcurrentHashMap<>();
    final AtomicInteger inFlight = new AtomicInteger();
    final AtomicLong loadReads = new AtomicLong();
    volatile double weight;
    volatile long pendingPromptTokens;
    volatile double pendingPrefillSeconds;
    volatile double contextTokens;
    volatile double kvTokensInUse;
    volatile OptionalLong kvCapacityTokens = OptionalLong.empty();
    volatile double freedTokensPerSecond;
    volatile double secondsPerPromptToken = 1e-4;

    FakeEndpoint(String id, double weight) {
        this.id = id;
        this.weight = weight;
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
        return Map.of();
    }

    @Override
    public int maxConcurrency() {
        return Integer.MAX_VALUE;
    }

    @Override
    public int inFlight() {
        loadReads.incrementAndGet();
        return inFlight.get();
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
        return Optional.empty();
    }

    @Override
    @SuppressWarnings("unchecked") // the state under a key was made by that key
    public <T> T local(EndpointLocal<T> local) {
        return (T) locals.computeIfAbsent(local, key -> key.newState(this));
    }

    @Override
    public String toString() {
        return id;
    }
}
