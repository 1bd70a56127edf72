/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * A time in which an engine does not work. Immutable.
 *
 * @param kind how it fails
 * @param engine which one, from 0
 * @param fromSeconds when it begins, in virtual seconds
 * @param untilSeconds when it ends; infinite when it does not
 */
public record Outage(Kind kind, int engine, double fromSeconds, double untilSeconds) {
    /** The ways to fail. */
    public enum Kind {
        /** Refuses every request at once, and finishes what it has: the sinkhole. */
        REFUSES,
        /** Loses everything it has, its cache included, and refuses what comes. */
        CRASHES,
        /** Takes requests and says nothing; afterwards it goes on where it stopped. */
        FREEZES
    }

    /** Refuses times that are no span. */
    public Outage {
        if (engine < 0 || !(fromSeconds >= 0) || !(untilSeconds > fromSeconds)) {
            throw new IllegalArgumentException("an outage takes an engine of at least 0 and a span of time, got "
                    + engine + ", " + fromSeconds + " and " + untilSeconds);
        }
    }

    void begin(SimulatedEngine subject) {
        switch (kind) {
            case REFUSES -> subject.refuse();
            case CRASHES -> subject.crash();
            case FREEZES -> subject.freeze();
        }
    }
}
