/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

/**
 * What the balancer thinks of an endpoint. {@code docs/reliability.md} has the table of what leads from one to another,
 * which the build compares with the code.
 */
public enum HealthState {
    /** Nobody has heard of it yet: one request at a time until a probe or a request is answered. */
    UNKNOWN,
    /** Takes its full share. */
    HEALTHY,
    /** Has just come (back): takes a share that grows. */
    RAMPING,
    /** One request at a time tries it after a pause that was longer than a moment. */
    HALF_OPEN,
    /** Silent, and a probe found no answer: takes nothing new, and what waits there may be hedged. */
    SUSPECTED,
    /** Asked for a moment, by 429 or 503: takes nothing until then. */
    COOLING,
    /** Loads its model. */
    WARMING,
    /** Was told to shut down: refuses what is new, while its streams go on. */
    STOPPING,
    /** Regular probes fail. */
    UNHEALTHY,
    /** Requests fail too often: a pause that grows each time. */
    EJECTED,
    /** Refuses our key or our account, or asks for more than a minute: a long pause. */
    QUARANTINED
}
