/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What one call wants of the cache. Immutable and thread-safe. */
public final class CacheControl {
    /** Looks up and stores what the cache may store. */
    public static final CacheControl DEFAULT = builder().build();
    /** Neither looks up nor stores nor joins a call in flight. */
    public static final CacheControl BYPASS = builder().mode(Mode.BYPASS).build();

    private final Mode mode;
    private final boolean cacheAnyTemperature;
    private final @Nullable Duration timeToLive;
    private final @Nullable String namespace;

    private CacheControl(Builder builder) {
        mode = builder.mode;
        cacheAnyTemperature = builder.cacheAnyTemperature;
        timeToLive = builder.timeToLive;
        namespace = builder.namespace;
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return whether the call looks up, stores, both or neither; default {@link Mode#USE}} */
    public Mode mode() {
        return mode;
    }

    /** {@return whether an answer drawn at a high temperature may be stored and reused; default false} */
    public boolean cacheAnyTemperature() {
        return cacheAnyTemperature;
    }

    /** {@return how long the answer may be reused; empty for the cache's own time} */
    public Optional<Duration> timeToLive() {
        return Optional.ofNullable(timeToLive);
    }

    /** {@return the part of the cache the call uses: calls of different namespaces never see each other's answers} */
    public Optional<String> namespace() {
        return Optional.ofNullable(namespace);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof CacheControl that
                && mode == that.mode
                && cacheAnyTemperature == that.cacheAnyTemperature
                && Objects.equals(timeToLive, that.timeToLive)
                && Objects.equals(namespace, that.namespace);
    }

    @Override
    public int hashCode() {
        return Objects.hash(mode, cacheAnyTemperature, timeToLive, namespace);
    }

    @Override
    public String toString() {
        return "CacheControl{" + mode + ", namespace=" + namespace + ", timeToLive=" + timeToLive + "}";
    }

    /** What a call does with the cache. */
    public enum Mode {
        /** Looks up, and stores what it had to generate. */
        USE,
        /** Does not look up; what it generates replaces what was stored. */
        REFRESH,
        /** Neither. */
        BYPASS
    }

    /** Builds a {@link CacheControl}. Not thread-safe. */
    public static final class Builder {
        private Mode mode = Mode.USE;
        private boolean cacheAnyTemperature;
        private @Nullable Duration timeToLive;
        private @Nullable String namespace;

        private Builder() {}

        /** Sets what the call does with the cache. */
        public Builder mode(Mode mode) {
            this.mode = mode;
            return this;
        }

        /** Says whether an answer drawn at a high temperature may be stored and reused. */
        public Builder cacheAnyTemperature(boolean cacheAnyTemperature) {
            this.cacheAnyTemperature = cacheAnyTemperature;
            return this;
        }

        /** Sets how long the answer may be reused; positive. */
        public Builder timeToLive(Duration timeToLive) {
            if (timeToLive.isNegative() || timeToLive.isZero()) {
                throw new IllegalArgumentException("timeToLive must be positive, got " + timeToLive);
            }
            this.timeToLive = timeToLive;
            return this;
        }

        /** Sets the part of the cache the call uses. */
        public Builder namespace(String namespace) {
            this.namespace = Checks.notBlank("namespace", namespace);
            return this;
        }

        /** {@return the control} */
        public CacheControl build() {
            return new CacheControl(this);
        }
    }
}
