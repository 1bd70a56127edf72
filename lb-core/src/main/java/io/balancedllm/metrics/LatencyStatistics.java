/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.metrics;

/**
 * A latency since the start, and lately. Immutable.
 *
 * @param total since the balancer was built, or the endpoint joined
 * @param recent in the running window of ten seconds and the two before it: the last 20 to 30 seconds
 */
public record LatencyStatistics(LatencySummary total, LatencySummary recent) {
    /** Nothing was measured. */
    public static final LatencyStatistics EMPTY = new LatencyStatistics(LatencySummary.EMPTY, LatencySummary.EMPTY);

    @Override
    public String toString() {
        return "total " + total + "; recent " + recent;
    }
}
