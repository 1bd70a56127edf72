/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.endpoint;

/**
 * What a probe found. Immutable.
 *
 * @param status the verdict
 * @param detail the verdict in words, for logs and events
 */
public record ProbeResult(Status status, String detail) {
    /** The verdicts of a probe. */
    public enum Status {
        /** Takes requests, however busy. */
        READY,
        /** Alive, and not ready yet: the model is being loaded. */
        WARMING,
        /** Not reachable, not answering in time, or answering with a failure. */
        UNHEALTHY
    }

    /** A ready backend. */
    public static final ProbeResult READY = new ProbeResult(Status.READY, "ready");
}
