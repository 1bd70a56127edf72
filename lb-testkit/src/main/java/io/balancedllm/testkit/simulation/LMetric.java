/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * LMetric: tokens to compute, times requests in flight and one; the smallest product.
 *
 * <p><b>When</b> to choose it: for the mean duration of calls, with little load. <b>Ignores</b> what waits for its prefill
 * already, so a prompt of 100,000 tokens in the queue counts as one request.
 *
 * <p>Source: arXiv 2603.15202, as ported in {@code lmetric.rs} of SGLang's gateway.
 */
final class LMetric extends Rival {
    private static final double TIE = 1e-3;

    LMetric(SimulatedFleet fleet) {
        super(fleet, View.OWN_HISTORY, false);
    }

    @Override
    int choose(Choice choice) {
        double[] costs = new double[choice.size()];
        for (int i = 0; i < costs.length; i++) {
            int inFlight = choice.inFlight[i];
            costs[i] = (double) choice.newTokens(i) * (inFlight + 1) + TIE * inFlight;
            choice.term(i, "new tokens x (in flight + 1)", costs[i]);
        }
        return choice.least(costs);
    }

    @Override
    public String toString() {
        return "lmetric()";
    }
}
