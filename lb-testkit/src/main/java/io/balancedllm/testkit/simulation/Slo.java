/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * What a request has to reach to count as good: its first token within a bound beyond the time its prompt takes on an idle
 * engine with nothing cached, and its tokens at a pace. Immutable.
 *
 * @param firstTokenSeconds the bound on the first token, beyond the isolated prefill
 * @param secondsPerOutputToken the bound on the mean time of the tokens after the first; infinite for none
 * @param share the share of requests that have to reach both, above 0 and at most 1
 */
public record Slo(double firstTokenSeconds, double secondsPerOutputToken, double share) {
    /** First token within 2 s beyond the isolated prefill, for 99 of 100. */
    public static final Slo FIRST_TOKEN = new Slo(2, Double.POSITIVE_INFINITY, 0.99);
    /** That and 100 ms a token, for 95 of 100. */
    public static final Slo JOINT = new Slo(2, 0.1, 0.95);

    /** Refuses bounds nothing can reach. */
    public Slo {
        if (!(firstTokenSeconds > 0) || !(secondsPerOutputToken > 0) || !(share > 0 && share <= 1)) {
            throw new IllegalArgumentException("an SLO takes positive bounds and a share above 0 and at most 1, got "
                    + firstTokenSeconds + ", " + secondsPerOutputToken + " and " + share);
        }
    }
}
