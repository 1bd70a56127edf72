/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.endpoint.Endpoint;
import java.net.URI;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/** An endpoint as a source describes it: where it is and how it is to be used. Immutable. */
public final class EndpointSpec {
    /** The longest of its texts, in characters. */
    static final int MAX_TEXT = 1_024;
    /** The most models, and the most labels. */
    static final int MAX_ENTRIES = 256;

    private final String id;
    private final String url;
    private final String generation;
    private final double weight;
    private final int maxConcurrency;
    private final Map<String, String> models;
    private final Map<String, String> labels;

    private EndpointSpec(Builder builder) {
        id = builder.id;
        url = builder.url;
        generation = builder.generation;
        weight = builder.weight;
        maxConcurrency = builder.maxConcurrency;
        models = Map.copyOf(builder.models);
        labels = Map.copyOf(builder.labels);
    }

    /**
     * {@return a builder of a description}
     *
     * @param id unique in its source and its pool
     * @param url where it is, {@code http://host:port}, with neither credentials nor query
     * @throws IllegalArgumentException saying what is wrong with either
     */
    public static Builder builder(String id, String url) {
        return new Builder(id, url);
    }

    /** {@return its name, unique in its source and its pool} */
    public String id() {
        return id;
    }

    /** {@return where it is} */
    public String url() {
        return url;
    }

    /** {@return which life of it this is: another text makes it another endpoint, however alike; default empty} */
    public String generation() {
        return generation;
    }

    /** {@return its weight; default 1} */
    public double weight() {
        return weight;
    }

    /** {@return how many attempts it takes at a time; default {@value Endpoint#DEFAULT_MAX_CONCURRENCY}} */
    public int maxConcurrency() {
        return maxConcurrency;
    }

    /** {@return the models served there, by the names requests use and those the backend knows; empty when not told} */
    public Map<String, String> models() {
        return models;
    }

    /** {@return its labels} */
    public Map<String, String> labels() {
        return labels;
    }

    /** {@return a builder that starts as a copy} */
    public Builder newBuilder() {
        Builder builder = new Builder(id, url);
        builder.generation = generation;
        builder.weight = weight;
        builder.maxConcurrency = maxConcurrency;
        builder.models.putAll(models);
        builder.labels.putAll(labels);
        return builder;
    }

    /** {@return whether the other is the same endpoint, of which only weight and capacity may have changed} */
    public boolean isSameEndpoint(EndpointSpec other) {
        return id.equals(other.id)
                && url.equals(other.url)
                && generation.equals(other.generation)
                && models.equals(other.models)
                && labels.equals(other.labels);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof EndpointSpec spec
                && isSameEndpoint(spec)
                && Double.compare(weight, spec.weight) == 0
                && maxConcurrency == spec.maxConcurrency;
    }

    @Override
    public int hashCode() {
        return Objects.hash(id, url, generation);
    }

    @Override
    public String toString() {
        return "EndpointSpec{" + id + " at " + url + (generation.isEmpty() ? "" : ", generation " + generation) + "}";
    }

    /** Builds an {@link EndpointSpec}. Not thread-safe. */
    public static final class Builder {
        private final String id;
        private final String url;
        private String generation = "";
        private double weight = 1;
        private int maxConcurrency = Endpoint.DEFAULT_MAX_CONCURRENCY;
        private final Map<String, String> models = new LinkedHashMap<>();
        private final Map<String, String> labels = new LinkedHashMap<>();

        private Builder(String id, String url) {
            this.id = text("id", id);
            this.url = checkedUrl(url);
        }

        /** Sets which life of the endpoint this is. */
        public Builder generation(String generation) {
            this.generation = generation.isEmpty() ? "" : text("generation", generation);
            return this;
        }

        /** Sets the weight, a finite number above 0. */
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

        /** Says that this model is served there, under the same name. */
        public Builder model(String name) {
            return model(name, name);
        }

        /** Says that requests for this model are served there by the one it knows as {@code upstream}. */
        public Builder model(String name, String upstream) {
            put("models", models, text("model", name), text("model", upstream));
            return this;
        }

        /** Adds a label. */
        public Builder label(String name, String value) {
            put("labels", labels, text("label", name), value.isEmpty() ? "" : text("label", value));
            return this;
        }

        private static void put(String what, Map<String, String> map, String name, String value) {
            if (map.size() >= MAX_ENTRIES) {
                throw new IllegalArgumentException(what + " must be at most " + MAX_ENTRIES);
            }
            map.put(name, value);
        }

        private static String text(String what, String value) {
            if (value.isBlank() || value.length() > MAX_TEXT) {
                throw new IllegalArgumentException(what + " must have 1 to " + MAX_TEXT
                        + " characters that are not all blank, has " + value.length());
            }
            if (value.chars().anyMatch(Character::isISOControl)) {
                throw new IllegalArgumentException(what + " must have no control characters");
            }
            return value;
        }

        private static String checkedUrl(String url) {
            URI parsed;
            try {
                parsed = URI.create(text("url", url));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException("url must be a URL, http://host:port", e);
            }
            String scheme = parsed.getScheme() == null ? "" : parsed.getScheme().toLowerCase(Locale.ROOT);
            if ((!scheme.equals("http") && !scheme.equals("https")) || parsed.getHost() == null) {
                throw new IllegalArgumentException("url must be http://host:port or https://host:port");
            }
            if (parsed.getRawUserInfo() != null || parsed.getRawQuery() != null || parsed.getRawFragment() != null) {
                throw new IllegalArgumentException("url must have neither credentials nor query nor fragment");
            }
            return url;
        }

        /** {@return the description} */
        public EndpointSpec build() {
            return new EndpointSpec(this);
        }
    }
}
