/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import io.balancedllm.endpoint.HealthState;

/** What the health of a member lets the router do with it. */
enum Eligibility {
    /** Takes what it has room for. */
    OPEN,
    /** Takes a share of that. */
    RAMPING,
    /** Takes one attempt at a time. */
    GATED,
    /** Takes one attempt at a time, and where nobody else is there, what it has room for. */
    TRIAL,
    /** Takes attempts only where nobody else is there. */
    LAST_RESORT,
    /** Takes nothing. */
    OUT;

    /**
     * {@return what this health means for routing}
     *
     * @param contradicted whether the latest probe failed: then no panic brings an ejected endpoint back
     */
    static Eligibility of(HealthState health, boolean contradicted) {
        return switch (health) {
            case HEALTHY -> OPEN;
            case RAMPING -> RAMPING;
            case UNKNOWN -> GATED;
            case HALF_OPEN -> contradicted ? GATED : TRIAL;
            case EJECTED -> contradicted ? OUT : LAST_RESORT;
            case SUSPECTED, COOLING, WARMING, STOPPING, UNHEALTHY, QUARANTINED -> OUT;
        };
    }

    /** {@return whether a call rather waits for room here than goes to a last resort} */
    boolean isEligible() {
        return this == OPEN || this == RAMPING || this == GATED;
    }

    boolean isOneAtATime() {
        return this == GATED || this == TRIAL;
    }

    boolean isLastResort() {
        return this == TRIAL || this == LAST_RESORT;
    }
}
