/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A backend with the name and the properties under which a pool knows it. Immutable.
 *
 * <p>The pool an endpoint is added to owns its backend and closes it when the endpoint has left and its last attempt has
 * ended; {@link Builder#closeBackend} keeps a backend that is used elsewhere, too, open.
 */
public final class Endpoint {
    /** Attempts an endpoint takes at a time when nothing else is said. */
    public static final int DEFAULT_MAX_CONCURRENCY = 256;

    private final String id;
    private final LlmBackend backend;
    private final double weight;
    private final int maxConcurrency;
    private final Map<String, String> models;
    private final Map<String, String> labels;
    private final boolean closeBackend;

    private Endpoint(Builder builder) {
        id = builder.id;
        backend = builder.backend;
        weight = builder.weight;
        maxConcurrency = builder.maxConcurrency;
        models = Map.copyOf(builder.models);
        labels = Map.copyOf(builder.labels);
        closeBackend = builder.closeBackend;
    }

    /** {@return an endpoint with the defaults} */
    public static Endpoint of(String id, LlmBackend backend) {
        return builder(id, backend).build();
    }

    /** {@return a builder of an endpoint} */
    public static Builder builder(String id, LlmBackend backend) {
        return new Builder(id, backend);
    }

    /** {@return a builder that starts as a copy of this endpoint} */
    public Builder newBuilder() {
        Builder builder = new Builder(id, backend);
        builder.weight = weight;
        builder.maxConcurrency = maxConcurrency;
        builder.models.putAll(models);
        builder.labels.putAll(labels);
        builder.closeBackend = closeBackend;
        return builder;
    }

    /** {@return the name, unique in its pool; used in logs, metrics and records, so never a URL with a key in it} */
    public String id() {
        return id;
    }

    /** {@return what answers} */
    public LlmBackend backend() {
        return backend;
    }

    /** {@return the share this endpoint gets from policies that weigh, relative to the others; default 1} */
    public double weight() {
        return weight;
    }

    /** {@return how many attempts it takes at a time; default {@value #DEFAULT_MAX_CONCURRENCY}} */
    public int maxConcurrency() {
        return maxConcurrency;
    }

    /**
     * {@return the models served here: the name requests use, and the name the backend knows it by; empty to take what
     * the backend's traits say, or any model where they say nothing}
     */
    public Map<String, String> models() {
        return models;
    }

    /** {@return free-form properties for policies and metrics (zone, hardware, price class)} */
    public Map<String, String> labels() {
        return labels;
    }

    /** {@return whether the pool closes the backend when the endpoint leaves; default true} */
    public boolean closeBackend() {
        return closeBackend;
    }

    @Override
    public String toString() {
        return "Endpoint{" + id + ", weight=" + weight + ", maxConcurrency=" + maxConcurrency + ", models="
                + models.keySet() + "}";
    }

    /** Builds an {@link Endpoint}. Not thread-safe. */
    public static final class Builder {
        private final String id;
        private final LlmBackend backend;
        private double weight = 1;
        private int maxConcurrency = DEFAULT_MAX_CONCURRENCY;
        private final Map<String, String> models = new LinkedHashMap<>();
        private final Map<String, String> labels = new LinkedHashMap<>();
        private boolean closeBackend = true;

        private Builder(String id, LlmBackend backend) {
            if (id.isBlank()) {
                throw new IllegalArgumentException("id must not be blank");
            }
            this.id = id;
            this.backend = backend;
        }

        /** Sets the weight, a finite number above 0. To give an endpoint nothing, drain it. */
        public Builder weight(double weight) {
            if (!(weight > 0) || Double.isInfinite(weight)) {
                throw new IllegalArgumentException("weight must be a finite number above 0, got " + weight);
            }
            this.weight = weight;
            return this;
        }

        /** Sets how many attempts it takes at a time, at least 1. */
        public Builder maxConcurrency(int maxConcurrency) {
            if (maxConcurrency < 1) {
                throw new IllegalArgumentException("maxConcurrency must be at least 1, got " + maxConcurrency);
            }
            this.maxConcurrency = maxConcurrency;
            return this;
        }

        /** Says that this model is served here, under the same name. */
        public Builder model(String name) {
            return model(name, name);
        }

        /** Says that requests for this model are served here by the model the backend names {@code upstream}. */
        public Builder model(String name, String upstream) {
            if (name.isBlank() || upstream.isBlank()) {
                throw new IllegalArgumentException(
                        "model names must not be blank, got \"" + name + "\" and \"" + upstream + "\"");
            }
            models.put(name, upstream);
            return this;
        }

        /** Adds a label. */
        public Builder label(String name, String value) {
            labels.put(name, value);
            return this;
        }

        /** Says whether the pool closes the backend when the endpoint leaves. */
        public Builder closeBackend(boolean closeBackend) {
            this.closeBackend = closeBackend;
            return this;
        }

        /** {@return the endpoint} */
        public Endpoint build() {
            return new Endpoint(this);
        }
    }
}
