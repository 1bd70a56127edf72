/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit;

import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.endpoint.EngineReport;
import java.util.Map;
import java.util.Optional;
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
    private final String id;
    private final Map<String, String> labels = new ConcurrentHashMap<>();
    private final Map<EndpointLocal<?>, Object> locals = new ConcurrentHashMap<>();
    private volatile double weight = 1;
    private volatile int maxConcurrency = Endpoint.DEFAULT_MAX_CONCURRENCY;
    private volatile int inFlight;
    private volatile Optional<EngineReport> report = Optional.empty();

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

    /** Sets a label. */
    public FakeEndpointView label(String name, String value) {
        labels.put(name, value);
        return this;
    }

    /** Sets what its engine said last. */
    public FakeEndpointView report(EngineReport report) {
        this.report = Optional.of(report);
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
    public Optional<EngineReport> report() {
        return report;
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
