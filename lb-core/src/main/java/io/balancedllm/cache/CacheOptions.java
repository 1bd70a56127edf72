/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How a balancer reuses answers. A call that may share answers ({@link CacheRules}) is looked up among those to the same
 * request, then joins the same request if it is being answered now, then is looked up by meaning, and only then routed.
 * Immutable and thread-safe.
 */
public final class CacheOptions {
    /** Answers to equal requests, and one generation for equal requests made at the same time. */
    public static final CacheOptions DEFAULT = builder().build();

    private final long maximumBytes;
    private final Duration timeToLive;
    private final boolean singleFlight;
    private final double maximumTemperature;
    private final CacheScope scope;
    private final @Nullable CompletionCache semantic;

    private CacheOptions(Builder builder, CacheScope scope) {
        maximumBytes = builder.maximumBytes;
        timeToLive = builder.timeToLive;
        singleFlight = builder.singleFlight;
        maximumTemperature = builder.maximumTemperature;
        semantic = builder.semantic;
        this.scope = scope;
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return options with a cache that looks up by meaning, and the defaults otherwise} */
    public static CacheOptions of(CompletionCache semantic) {
        return builder().semantic(semantic).build();
    }

    /** {@return bytes of answers to equal requests that are kept; default {@link ExactCache#DEFAULT_MAXIMUM_BYTES}} */
    public long maximumBytes() {
        return maximumBytes;
    }

    /** {@return how long those are kept unless the call says; default {@link ExactCache#DEFAULT_TIME_TO_LIVE}} */
    public Duration timeToLive() {
        return timeToLive;
    }

    /** {@return whether equal requests made at the same time share one generation; default true} */
    public boolean singleFlight() {
        return singleFlight;
    }

    /** {@return up to which temperature answers are shared; default {@link CacheRules#DEFAULT_MAXIMUM_TEMPERATURE}} */
    public double maximumTemperature() {
        return maximumTemperature;
    }

    /** {@return who shares answers; default {@link CacheScope#TENANT}} */
    public CacheScope scope() {
        return scope;
    }

    /** {@return the cache that looks up by meaning, if there is one} */
    public Optional<CompletionCache> semantic() {
        return Optional.ofNullable(semantic);
    }

    @Override
    public String toString() {
        return "CacheOptions{maximumBytes=" + maximumBytes + ", singleFlight=" + singleFlight + ", scope=" + scope
                + ", semantic=" + semantic + "}";
    }

    /** Builds {@link CacheOptions}. Not thread-safe. */
    public static final class Builder {
        private static final double HIGHEST_TEMPERATURE = 2;

        private long maximumBytes = ExactCache.DEFAULT_MAXIMUM_BYTES;
        private Duration timeToLive = ExactCache.DEFAULT_TIME_TO_LIVE;
        private boolean singleFlight = true;
        private double maximumTemperature = CacheRules.DEFAULT_MAXIMUM_TEMPERATURE;
        private @Nullable CacheScope scope;
        private @Nullable CompletionCache semantic;

        private Builder() {}

        /** Sets how many bytes of answers to equal requests are kept, above 0. */
        public Builder maximumBytes(long maximumBytes) {
            if (maximumBytes <= 0) {
                throw new IllegalArgumentException("maximumBytes must be above 0, got " + maximumBytes);
            }
            this.maximumBytes = maximumBytes;
            return this;
        }

        /** Sets how long answers to equal requests are kept unless the call says; positive. */
        public Builder timeToLive(Duration timeToLive) {
            if (timeToLive.isNegative() || timeToLive.isZero()) {
                throw new IllegalArgumentException("timeToLive must be positive, got " + timeToLive);
            }
            this.timeToLive = timeToLive;
            return this;
        }

        /** Says whether equal requests made at the same time share one generation. */
        public Builder singleFlight(boolean singleFlight) {
            this.singleFlight = singleFlight;
            return this;
        }

        /** Sets up to which temperature answers are shared without a seed, 0 to 2. */
        public Builder maximumTemperature(double temperature) {
            if (!(temperature >= 0 && temperature <= HIGHEST_TEMPERATURE)) {
                throw new IllegalArgumentException("maximumTemperature must be from 0 to 2, got " + temperature);
            }
            this.maximumTemperature = temperature;
            return this;
        }

        /** Sets who shares answers. A cache that looks up by meaning has a scope of its own, which must be the same. */
        public Builder scope(CacheScope scope) {
            this.scope = scope;
            return this;
        }

        /** Sets the cache that looks up by meaning. The balancer closes it when it is closed. */
        public Builder semantic(CompletionCache cache) {
            this.semantic = cache;
            return this;
        }

        /**
         * {@return the options}
         *
         * @throws IllegalStateException when the scope is not that of the cache that looks up by meaning
         */
        public CacheOptions build() {
            CacheScope ofCache = semantic == null ? CacheScope.TENANT : semantic.scope();
            if (scope != null && semantic != null && scope != ofCache) {
                throw new IllegalStateException("scope is " + scope + ", and that of " + semantic + " is " + ofCache);
            }
            return new CacheOptions(this, scope == null ? ofCache : scope);
        }
    }
}
