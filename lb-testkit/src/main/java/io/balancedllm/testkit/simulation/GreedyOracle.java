/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * The engine with the earliest first token, seen from inside: exact queues, exact caches (blocks that are being computed
 * included), exact lengths of answers.
 *
 * <p><b>When</b>: as a bound, and not a strict one: it is greedy, so it takes what is best for this call. <b>Ignores</b>
 * what that costs the calls to come, and those that are running.
 */
final class GreedyOracle extends Rival {
    GreedyOracle(SimulatedFleet fleet) {
        super(fleet, View.NONE, false);
    }

    @Override
    int choose(Choice choice) {
        int outputTokens = fleet.outputTokens(choice.call);
        double[] seconds = new double[choice.size()];
        for (int i = 0; i < seconds.length; i++) {
            EngineInsight engine = choice.replicas[i].engine.insight();
            int hits = engine.hits(choice.prompt);
            seconds[i] = Math.max(engine.pendingSeconds(), engine.memorySeconds(choice.prompt, outputTokens, hits))
                    + engine.ownSeconds(choice.prompt, hits);
            choice.term(i, "first token s", seconds[i]);
        }
        return choice.least(seconds);
    }

    @Override
    public String toString() {
        return "oracle()";
    }
}
