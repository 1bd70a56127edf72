/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Why a call, or one attempt of it, did not end in an answer. The only exception calls end with; {@link #reason()} says
 * what to do about it. Immutable apart from what every {@link Throwable} carries.
 */
public final class LlmException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** What went wrong, in terms of what can be done about it. */
    public enum Reason {
        /** The request is at fault: no endpoint will take it as it is. */
        INVALID_REQUEST(false),
        /** Prompt and answer do not fit the model's context. */
        CONTEXT_LENGTH_EXCEEDED(false),
        /** No endpoint serves the model that was asked for. */
        MODEL_NOT_FOUND(false),
        /** The endpoint cannot do what was asked (embeddings, tools, images, ...). */
        UNSUPPORTED(false),
        /** The endpoint refused the credentials, or the account may not pay for more. */
        UNAUTHORIZED(true),
        /** The endpoint asks to come back later: a rate limit. */
        RATE_LIMITED(true),
        /** The endpoint has too much to do. */
        OVERLOADED(true),
        /** The endpoint could not be reached, is loading or is shutting down. */
        UNAVAILABLE(true),
        /** The endpoint failed inside. */
        SERVER_ERROR(true),
        /** The endpoint's answer broke the protocol. */
        PROTOCOL_ERROR(true),
        /** The stream ended before the answer did. */
        TRUNCATED(true),
        /** A time limit passed: connect, first token, idle. */
        TIMEOUT(true),
        /** The call's own timeout passed, or would pass before the endpoint begins; the latter may be retried elsewhere. */
        DEADLINE_EXCEEDED(false),
        /** The caller did not read the stream for too long. */
        READER_STALLED(false),
        /** Too many calls are waiting already. */
        REJECTED(false),
        /** No endpoint is in the pool, or none takes calls. */
        NO_ENDPOINT(false),
        /** The caller cancelled, or was interrupted. */
        CANCELLED(false),
        /** The balancer was closed. */
        CLOSED(false),
        /** A defect in this library or in a policy, backend or cache plugged into it. */
        INTERNAL_ERROR(false);

        private final boolean retryable;

        Reason(boolean retryable) {
            this.retryable = retryable;
        }

        /** {@return whether another endpoint may do better, unless the failure says otherwise} */
        public boolean retryableByDefault() {
            return retryable;
        }
    }

    private final Reason reason;
    private final boolean retryable;
    private final @Nullable Duration retryAfter;
    private final @Nullable Integer statusCode;
    private final String partialText;
    private final transient List<AttemptSummary> attempts;

    private LlmException(Builder builder) {
        super(builder.message, builder.cause);
        reason = builder.reason;
        retryable = builder.retryable;
        retryAfter = builder.retryAfter;
        statusCode = builder.statusCode;
        partialText = builder.partialText;
        attempts = List.copyOf(builder.attempts);
        StackTraceElement[] trace = builder.stackTrace;
        if (trace != null) {
            setStackTrace(trace);
        }
    }

    /** An error with this reason and message, and the reason's own retryability. */
    public LlmException(Reason reason, String message) {
        this(new Builder(reason, message));
    }

    /** {@return a builder of an error with this reason and message} */
    public static Builder builder(Reason reason, String message) {
        return new Builder(reason, message);
    }

    /** {@return a builder that starts as a copy of this error, its stack trace and cause included} */
    public Builder newBuilder() {
        Builder builder = new Builder(reason, message());
        builder.cause = getCause();
        builder.retryable = retryable;
        builder.retryAfter = retryAfter;
        builder.statusCode = statusCode;
        builder.partialText = partialText;
        builder.attempts = attempts();
        builder.stackTrace = getStackTrace();
        return builder;
    }

    /** {@return the message, never null} */
    public String message() {
        String message = getMessage();
        return message == null ? reason.name() : message;
    }

    /** {@return what went wrong} */
    public Reason reason() {
        return reason;
    }

    /** {@return whether the same request may succeed, now elsewhere or later} */
    public boolean retryable() {
        return retryable;
    }

    /** {@return how long the endpoint asks to be left alone, if it said so} */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }

    /** {@return the HTTP status, where there was one} */
    public OptionalInt statusCode() {
        return statusCode == null ? OptionalInt.empty() : OptionalInt.of(statusCode);
    }

    /** {@return text of the first choice that had arrived before the failure; possibly empty} */
    public String partialText() {
        return partialText;
    }

    /** {@return every attempt of the call, in order; empty on a failure that is not a call's end} */
    @SuppressWarnings("ReferenceEquality") // the field is null after deserialisation only
    public List<AttemptSummary> attempts() {
        List<AttemptSummary> present = attempts;
        return present == null ? List.of() : present;
    }

    /** Builds an {@link LlmException}. Not thread-safe. */
    public static final class Builder {
        private Reason reason;
        private String message;
        private boolean retryable;
        private @Nullable Throwable cause;
        private @Nullable Duration retryAfter;
        private @Nullable Integer statusCode;
        private String partialText = "";
        private List<AttemptSummary> attempts = List.of();
        private StackTraceElement @Nullable [] stackTrace;

        private Builder(Reason reason, String message) {
            this.reason = reason;
            this.message = message;
            this.retryable = reason.retryableByDefault();
        }

        /** Replaces the reason and takes over its retryability. */
        public Builder reason(Reason reason) {
            this.reason = reason;
            this.retryable = reason.retryableByDefault();
            return this;
        }

        /** Replaces the message. */
        public Builder message(String message) {
            this.message = message;
            return this;
        }

        /** Says whether the same request may succeed elsewhere or later. */
        public Builder retryable(boolean retryable) {
            this.retryable = retryable;
            return this;
        }

        /** Sets the cause. */
        public Builder cause(@Nullable Throwable cause) {
            this.cause = cause;
            return this;
        }

        /** Sets how long the endpoint asks to be left alone; not negative. */
        public Builder retryAfter(Duration retryAfter) {
            if (retryAfter.isNegative()) {
                throw new IllegalArgumentException("retryAfter must not be negative, got " + retryAfter);
            }
            this.retryAfter = retryAfter;
            return this;
        }

        /** Sets the HTTP status. */
        public Builder statusCode(int statusCode) {
            this.statusCode = statusCode;
            return this;
        }

        /** Sets the text that had arrived. */
        public Builder partialText(String text) {
            this.partialText = text;
            return this;
        }

        /** Sets the attempts of the call. */
        public Builder attempts(List<AttemptSummary> attempts) {
            this.attempts = List.copyOf(attempts);
            return this;
        }

        /** {@return the error} */
        public LlmException build() {
            return new LlmException(this);
        }
    }
}
