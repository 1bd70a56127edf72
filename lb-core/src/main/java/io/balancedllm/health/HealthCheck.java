/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.health;

import java.time.Duration;

/**
 * How the endpoints of a pool are judged: by probes, by how requests end there, and by silence. Immutable and
 * thread-safe. The defaults suit engines that answer {@code /health}; what each state means and what leads to it stands
 * in {@code docs/reliability.md}.
 *
 * <pre>{@code
 * EndpointPool.builder().healthCheck(HealthCheck.every(Duration.ofSeconds(2)))
 * EndpointPool.builder().healthCheck(HealthCheck.builder().interval(Duration.ofSeconds(2)).fall(3).build())
 * }</pre>
 */
public final class HealthCheck {
    /** Time between regular probes of an endpoint when nothing else is said. */
    public static final Duration DEFAULT_INTERVAL = Duration.ofSeconds(5);
    /** Time a regular probe may take when nothing else is said. */
    public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(2);
    /** Failed probes in a row that make an endpoint unhealthy when nothing else is said. */
    public static final int DEFAULT_FALL = 2;
    /** Answered probes in a row that let it back when nothing else is said. */
    public static final int DEFAULT_RISE = 1;
    /** Part of the interval by which probes come earlier or later when nothing else is said. */
    public static final double DEFAULT_JITTER = 0.2;
    /** Time over which the share of an endpoint that has come (back) grows, when nothing else is said. */
    public static final Duration DEFAULT_SLOW_START = Duration.ofSeconds(10);

    private static final HealthCheck DEFAULTS = builder().build();
    private static final HealthCheck PASSIVE = new HealthCheck(builder(), Mode.PASSIVE);
    private static final HealthCheck OFF = new HealthCheck(builder(), Mode.OFF);

    private enum Mode {
        FULL,
        PASSIVE,
        OFF
    }

    private final Mode mode;
    private final Duration interval;
    private final Duration timeout;
    private final int fall;
    private final int rise;
    private final double jitter;
    private final Duration slowStart;

    private HealthCheck(Builder builder, Mode mode) {
        this.mode = mode;
        interval = builder.interval;
        timeout = builder.timeout;
        fall = builder.fall;
        rise = builder.rise;
        jitter = builder.jitter;
        slowStart = builder.slowStart;
    }

    /** {@return the defaults: probes every 5 s, and requests counted} */
    public static HealthCheck defaults() {
        return DEFAULTS;
    }

    /** {@return the defaults with another time between probes, above 0} */
    public static HealthCheck every(Duration interval) {
        return builder().interval(interval).build();
    }

    /**
     * {@return no probes, hence no suspicion: endpoints are judged only by how requests end there} For servers that have
     * nothing to probe.
     */
    public static HealthCheck passive() {
        return PASSIVE;
    }

    /** {@return no judgement at all: every endpoint of the pool is healthy} For tests, and where others judge. */
    public static HealthCheck off() {
        return OFF;
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return whether endpoints are judged at all} */
    public boolean isOn() {
        return mode != Mode.OFF;
    }

    /** {@return whether endpoints are probed} */
    public boolean probes() {
        return mode == Mode.FULL;
    }

    /** {@return the time between regular probes} */
    public Duration interval() {
        return interval;
    }

    /** {@return the time a regular probe may take} */
    public Duration timeout() {
        return timeout;
    }

    /** {@return failed probes in a row that make an endpoint unhealthy} */
    public int fall() {
        return fall;
    }

    /** {@return answered probes in a row that let it back} */
    public int rise() {
        return rise;
    }

    /** {@return the part of the interval by which probes come earlier or later} */
    public double jitter() {
        return jitter;
    }

    /** {@return the time over which the share of an endpoint that has come (back) grows} */
    public Duration slowStart() {
        return slowStart;
    }

    @Override
    public String toString() {
        return switch (mode) {
            case OFF -> "off()";
            case PASSIVE -> "passive()";
            case FULL -> "every(" + interval + ", timeout=" + timeout + ", fall=" + fall + ", rise=" + rise + ")";
        };
    }

    /** Builds a {@link HealthCheck}. Not thread-safe. */
    public static final class Builder {
        private static final Duration LONGEST = Duration.ofDays(1);

        private Duration interval = DEFAULT_INTERVAL;
        private Duration timeout = DEFAULT_TIMEOUT;
        private int fall = DEFAULT_FALL;
        private int rise = DEFAULT_RISE;
        private double jitter = DEFAULT_JITTER;
        private Duration slowStart = DEFAULT_SLOW_START;

        private Builder() {}

        /** Sets the time between regular probes, above 0 and at most a day; default 5 s. */
        public Builder interval(Duration interval) {
            this.interval = upToADay("interval", interval, false);
            return this;
        }

        /** Sets the time a regular probe may take, above 0 and at most a day; default 2 s. */
        public Builder timeout(Duration timeout) {
            this.timeout = upToADay("timeout", timeout, false);
            return this;
        }

        /** Sets how many failed probes in a row make an endpoint unhealthy, at least 1; default {@value #DEFAULT_FALL}. */
        public Builder fall(int probes) {
            this.fall = atLeastOne("fall", probes);
            return this;
        }

        /** Sets how many answered probes in a row let it back, at least 1; default {@value #DEFAULT_RISE}. */
        public Builder rise(int probes) {
            this.rise = atLeastOne("rise", probes);
            return this;
        }

        /** Sets the part of the interval by which probes come earlier or later, 0 to below 1; default 0.2. */
        public Builder jitter(double part) {
            if (!(part >= 0 && part < 1)) {
                throw new IllegalArgumentException("jitter must be at least 0 and below 1, got " + part);
            }
            this.jitter = part;
            return this;
        }

        /** Sets the time over which the share of an endpoint grows, 0 for none, at most a day; default 10 s. */
        public Builder slowStart(Duration slowStart) {
            this.slowStart = upToADay("slowStart", slowStart, true);
            return this;
        }

        private static int atLeastOne(String name, int value) {
            if (value < 1) {
                throw new IllegalArgumentException(name + " must be at least 1, got " + value);
            }
            return value;
        }

        private static Duration upToADay(String name, Duration value, boolean mayBeZero) {
            if (value.isNegative() || (value.isZero() && !mayBeZero) || value.compareTo(LONGEST) > 0) {
                throw new IllegalArgumentException(
                        name + " must be " + (mayBeZero ? "0" : "above 0") + " to " + LONGEST + ", got " + value);
            }
            return value;
        }

        /** {@return the check} */
        public HealthCheck build() {
            return new HealthCheck(this, Mode.FULL);
        }
    }
}
