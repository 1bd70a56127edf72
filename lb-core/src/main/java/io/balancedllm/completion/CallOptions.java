/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How a request is served: for whom, by when, how urgently. Nothing here changes what a correct answer is; that is the
 * {@link CompletionRequest}. Immutable and thread-safe.
 */
public final class CallOptions {
    /** No tenant, no session, no timeout, retryable, not explained. */
    public static final CallOptions DEFAULT = builder().build();

    private final @Nullable String tenant;
    private final @Nullable String session;
    private final @Nullable String affinityKey;
    private final @Nullable String clientAddress;
    private final @Nullable Duration timeout;
    private final int priority;
    private final boolean retryable;
    private final boolean explain;
    private final CacheControl cache;

    private CallOptions(Builder builder) {
        tenant = builder.tenant;
        session = builder.session;
        affinityKey = builder.affinityKey;
        clientAddress = builder.clientAddress;
        timeout = builder.timeout;
        priority = builder.priority;
        retryable = builder.retryable;
        explain = builder.explain;
        cache = builder.cache;
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return a builder that starts as a copy of these options} */
    public Builder newBuilder() {
        Builder builder = new Builder();
        builder.tenant = tenant;
        builder.session = session;
        builder.affinityKey = affinityKey;
        builder.clientAddress = clientAddress;
        builder.timeout = timeout;
        builder.priority = priority;
        builder.retryable = retryable;
        builder.explain = explain;
        builder.cache = cache;
        return builder;
    }

    /** {@return on whose account the call runs; default none} */
    public Optional<String> tenant() {
        return Optional.ofNullable(tenant);
    }

    /** {@return the conversation the call belongs to; default none} */
    public Optional<String> session() {
        return Optional.ofNullable(session);
    }

    /** {@return the key that policies with affinity hash instead of session or tenant; default none} */
    public Optional<String> affinityKey() {
        return Optional.ofNullable(affinityKey);
    }

    /** {@return the address of the client on whose behalf the call is made; default none} */
    public Optional<String> clientAddress() {
        return Optional.ofNullable(clientAddress);
    }

    /** {@return the time from call to last token, waiting and retries included; default none} */
    public Optional<Duration> timeout() {
        return Optional.ofNullable(timeout);
    }

    /** {@return the urgency: higher goes first where something orders by it; default 0} */
    public int priority() {
        return priority;
    }

    /** {@return whether a failed attempt may be repeated elsewhere; default true} */
    public boolean retryable() {
        return retryable;
    }

    /** {@return whether the {@link DecisionRecord} tells candidates and cost terms; default false} */
    public boolean explain() {
        return explain;
    }

    /** {@return what the call wants of the cache, where there is one; default {@link CacheControl#DEFAULT}} */
    public CacheControl cache() {
        return cache;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof CallOptions that
                && Objects.equals(tenant, that.tenant)
                && Objects.equals(session, that.session)
                && Objects.equals(affinityKey, that.affinityKey)
                && Objects.equals(clientAddress, that.clientAddress)
                && Objects.equals(timeout, that.timeout)
                && priority == that.priority
                && retryable == that.retryable
                && explain == that.explain
                && cache.equals(that.cache);
    }

    @Override
    public int hashCode() {
        return Objects.hash(tenant, session, affinityKey, clientAddress, timeout, priority, retryable, explain, cache);
    }

    @Override
    public String toString() {
        return "CallOptions{tenant=" + tenant + ", session=" + session + ", timeout=" + timeout + ", priority="
                + priority + ", retryable=" + retryable + "}";
    }

    /** Builds {@link CallOptions}. Not thread-safe. */
    public static final class Builder {
        private static final Duration LONGEST = Duration.ofDays(36_500);

        private @Nullable String tenant;
        private @Nullable String session;
        private @Nullable String affinityKey;
        private @Nullable String clientAddress;
        private @Nullable Duration timeout;
        private int priority;
        private boolean retryable = true;
        private boolean explain;
        private CacheControl cache = CacheControl.DEFAULT;

        private Builder() {}

        /** Sets the tenant. */
        public Builder tenant(String tenant) {
            this.tenant = Checks.notBlank("tenant", tenant);
            return this;
        }

        /** Sets the session. */
        public Builder session(String session) {
            this.session = Checks.notBlank("session", session);
            return this;
        }

        /** Sets the affinity key. */
        public Builder affinityKey(String key) {
            this.affinityKey = Checks.notBlank("affinityKey", key);
            return this;
        }

        /** Sets the client's address. */
        public Builder clientAddress(String address) {
            this.clientAddress = Checks.notBlank("clientAddress", address);
            return this;
        }

        /** Sets the time from call to last token; positive, at most a century. */
        public Builder timeout(Duration timeout) {
            if (timeout.isNegative() || timeout.isZero()) {
                throw new IllegalArgumentException("timeout must be positive, got " + timeout);
            }
            if (timeout.compareTo(LONGEST) > 0) {
                throw new IllegalArgumentException("timeout must be at most " + LONGEST + ", got " + timeout);
            }
            this.timeout = timeout;
            return this;
        }

        /** Sets the priority. */
        public Builder priority(int priority) {
            this.priority = priority;
            return this;
        }

        /** Says whether a failed attempt may be repeated elsewhere; false for requests whose tools act as they run. */
        public Builder retryable(boolean retryable) {
            this.retryable = retryable;
            return this;
        }

        /** Asks for candidates and cost terms in the {@link DecisionRecord}. */
        public Builder explain(boolean explain) {
            this.explain = explain;
            return this;
        }

        /** Says what the call wants of the cache. */
        public Builder cache(CacheControl cache) {
            this.cache = cache;
            return this;
        }

        /** {@return the options} */
        public CallOptions build() {
            return new CallOptions(this);
        }
    }
}
