/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * The engine with the least prefill ahead, where every block ever computed anywhere is in the cache of all.
 *
 * <p><b>When</b>: as a bound that nothing reaches without a KV store that all engines share at no cost. <b>Ignores</b>
 * memory, and what decodes.
 */
final class PooledBound extends Rival {
    private static final double TIE_SECONDS = 1e-4;

    PooledBound(SimulatedFleet fleet) {
        super(fleet, View.NONE, false);
    }

    @Override
    int choose(Choice choice) {
        double[] seconds = new double[choice.size()];
        for (int i = 0; i < seconds.length; i++) {
            EngineInsight engine = choice.replicas[i].engine.insight();
            seconds[i] = engine.pendingSeconds()
                    + engine.ownSeconds(choice.prompt, engine.hits(choice.prompt))
                    + TIE_SECONDS * engine.running();
            choice.term(i, "first token s", seconds[i]);
        }
        return choice.least(seconds);
    }

    @Override
    public String toString() {
        return "pooled()";
    }
}
