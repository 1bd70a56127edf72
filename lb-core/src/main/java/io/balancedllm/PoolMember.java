/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.BackendTraits;
import io.balancedllm.endpoint.Endpoint;
import io.balancedllm.endpoint.EndpointLocal;
import io.balancedllm.endpoint.EndpointState;
import io.balancedllm.endpoint.EndpointView;
import io.balancedllm.endpoint.EngineReport;
import io.balancedllm.metrics.EndpointRecorder;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * One generation of an endpoint in the pool: the object that leases hold and that counts what is in flight. The count
 * is written by leases only, so it can neither leak through a renamed or replaced endpoint nor go negative.
 */
final class PoolMember implements EndpointView {
    private final Endpoint endpoint;
    private final long generation;
    private final Map<String, String> models;
    private final Set<Operation> operations;
    private final Runnable onRelease;
    private final AtomicInteger inFlight = new AtomicInteger();
    private volatile double weight;
    private volatile int maxConcurrency;
    private volatile EndpointState state = EndpointState.ACTIVE;
    /** Whether a drain has run out of time, so that an attempt that is only just starting here has to end, too. */
    private volatile boolean evicting;

    private final AtomicBoolean backendClosed = new AtomicBoolean();
    /** Keys and values in turn; replaced as a whole, so reads need no lock. */
    private volatile Object[] locals = {};

    private volatile @Nullable EndpointRecorder recorder;
    private volatile Optional<EngineReport> report = Optional.empty();

    PoolMember(Endpoint endpoint, BackendTraits traits, long generation, Runnable onRelease) {
        this.endpoint = endpoint;
        this.generation = generation;
        this.onRelease = onRelease;
        this.weight = endpoint.weight();
        this.maxConcurrency = endpoint.maxConcurrency();
        this.models = endpoint.models().isEmpty() ? identity(traits) : endpoint.models();
        this.operations = traits.operations();
    }

    private static Map<String, String> identity(BackendTraits traits) {
        Map<String, String> names = new LinkedHashMap<>();
        traits.models().forEach(model -> names.put(model, model));
        return Map.copyOf(names);
    }

    Endpoint endpoint() {
        return endpoint;
    }

    long generation() {
        return generation;
    }

    /** {@return the models by the names requests use; empty when any may be there} */
    Map<String, String> models() {
        return models;
    }

    boolean can(Operation operation) {
        return operations.contains(operation);
    }

    boolean serves(@Nullable String model) {
        return model == null || models.isEmpty() || models.containsKey(model);
    }

    /** {@return the name the backend knows the model by} */
    @Nullable
    String upstream(@Nullable String model) {
        return model == null ? null : models.getOrDefault(model, model);
    }

    /** {@return what counts for this generation} There is one as soon as the pool has a balancer, so for every attempt. */
    EndpointRecorder recorder() {
        EndpointRecorder present = recorder;
        if (present == null) {
            throw new IllegalStateException("endpoint " + id() + " has no balancer yet");
        }
        return present;
    }

    void recorder(EndpointRecorder recorder) {
        this.recorder = recorder;
    }

    EndpointState state() {
        return state;
    }

    void state(EndpointState state) {
        this.state = state;
    }

    boolean evicting() {
        return evicting;
    }

    void evicting(boolean evicting) {
        this.evicting = evicting;
    }

    /** {@return whether the backend is to be closed now: true once, unless it is to stay open} */
    boolean mayCloseBackend() {
        return endpoint.closeBackend() && backendClosed.compareAndSet(false, true);
    }

    void weight(double weight) {
        this.weight = weight;
    }

    void maxConcurrency(int maxConcurrency) {
        this.maxConcurrency = maxConcurrency;
    }

    boolean hasRoom() {
        return inFlight.get() < maxConcurrency;
    }

    /** {@return a lease on this endpoint, or null when it is full or takes no new attempts} */
    @Nullable
    Lease tryAcquire() {
        int current;
        do {
            current = inFlight.get();
            if (current >= maxConcurrency) {
                return null;
            }
        } while (!inFlight.compareAndSet(current, current + 1));
        if (state != EndpointState.ACTIVE) {
            release();
            return null;
        }
        return new Lease(this);
    }

    /** Only for {@link Lease}. */
    void release() {
        inFlight.decrementAndGet();
        onRelease.run();
    }

    void dropLocals() {
        synchronized (this) {
            locals = new Object[0];
        }
    }

    @Override
    public String id() {
        return endpoint.id();
    }

    @Override
    public double weight() {
        return weight;
    }

    @Override
    public Map<String, String> labels() {
        return endpoint.labels();
    }

    @Override
    public int maxConcurrency() {
        return maxConcurrency;
    }

    @Override
    public int inFlight() {
        return inFlight.get();
    }

    @Override
    public Optional<EngineReport> report() {
        return report;
    }

    void report(EngineReport report) {
        this.report = Optional.of(report);
    }

    @Override
    public <T> T local(EndpointLocal<T> local) {
        T found = find(locals, local);
        return found != null ? found : addLocal(local);
    }

    private synchronized <T> T addLocal(EndpointLocal<T> local) {
        Object[] before = locals;
        T found = find(before, local);
        if (found != null) {
            return found;
        }
        T state = local.newState(this);
        Object[] after = Arrays.copyOf(before, before.length + 2);
        after[before.length] = local;
        after[before.length + 1] = state;
        locals = after;
        return state;
    }

    @SuppressWarnings({"unchecked", "ReferenceEquality"}) // a key's value was made by that very key
    private static <T> @Nullable T find(Object[] locals, EndpointLocal<T> local) {
        for (int i = 0; i < locals.length; i += 2) {
            if (locals[i] == local) {
                return (T) locals[i + 1];
            }
        }
        return null;
    }

    @Override
    public String toString() {
        return id() + "#" + generation;
    }
}
