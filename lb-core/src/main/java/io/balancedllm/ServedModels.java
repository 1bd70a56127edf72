/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.completion.Operation;
import io.balancedllm.endpoint.BackendTraits;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What the backend of one endpoint serves: operations, models and their names. Thread-safe; reads take no lock. */
final class ServedModels {
    /** How long a backend that said it does not have a model is believed. */
    private static final long MISSING_NANOS = Duration.ofSeconds(30).toNanos();
    /** Missing models that are remembered: requests name what they like. */
    private static final int MAX_MISSING = 16;

    private final Map<String, String> given;
    private volatile Map<String, String> upstream;
    private volatile Set<Operation> operations;
    /** Models the backend has said it does not have, and until when it is believed. Replaced as a whole. */
    private volatile Map<String, Long> missing = Map.of();

    /**
     * What the backend says it has, unless its endpoint says so.
     *
     * @param given the backend's models by the names requests use; empty when the endpoint does not say
     */
    ServedModels(Map<String, String> given, BackendTraits traits) {
        this.given = given;
        this.upstream = upstream(traits);
        this.operations = traits.operations();
    }

    /** What the backend can do may have changed. */
    void update(BackendTraits traits) {
        upstream = upstream(traits);
        operations = traits.operations();
    }

    private Map<String, String> upstream(BackendTraits traits) {
        if (!given.isEmpty()) {
            return given;
        }
        Map<String, String> names = new LinkedHashMap<>();
        traits.models().forEach(model -> names.put(model, model));
        return Map.copyOf(names);
    }

    /** {@return the models by the names requests use; empty when any may be there} */
    Set<String> names() {
        return upstream.keySet();
    }

    boolean can(Operation operation) {
        return operations.contains(operation);
    }

    boolean serves(@Nullable String model) {
        Map<String, String> known = upstream;
        return model == null || known.isEmpty() || known.containsKey(model);
    }

    /** {@return the name the backend knows the model by} */
    @Nullable
    String upstream(@Nullable String model) {
        return model == null ? null : upstream.getOrDefault(model, model);
    }

    /** The backend does not have a model it was asked for; believed for {@link #MISSING_NANOS}. */
    synchronized void misses(String model, long nowNanos) {
        Map<String, Long> more = new LinkedHashMap<>();
        missing.forEach((name, until) -> {
            if (until - nowNanos > 0 && !name.equals(model)) {
                more.put(name, until);
            }
        });
        if (more.size() >= MAX_MISSING) {
            more.remove(more.keySet().iterator().next());
        }
        more.put(model, nowNanos + MISSING_NANOS);
        missing = more;
    }

    /** {@return whether the backend lately said that it does not have this model} */
    boolean lacks(@Nullable String model, long nowNanos) {
        Long until = model == null || missing.isEmpty() ? null : missing.get(model);
        return until != null && until - nowNanos > 0;
    }
}
