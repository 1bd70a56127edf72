/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * Dynamo's KV router: blocks that have to be computed, those that wait there included, plus blocks in use; the smallest
 * sum, at temperature 0. It gets the exact content of each cache at once.
 *
 * <p><b>When</b> to choose it: with its workers and their event plane. <b>Ignores</b> that a block in use costs far less
 * than one to compute: the second term outweighs the cache on small models.
 *
 * <p>Source: {@code lib/kv-router}, {@code selector/default.rs}, with weight 1. Its queue in front is not modelled.
 */
final class DynamoCost extends Rival {
    private static final double PREFILL_WEIGHT = 1;

    DynamoCost(SimulatedFleet fleet) {
        super(fleet, View.EXACT, true);
    }

    @Override
    int choose(Choice choice) {
        double[] costs = new double[choice.size()];
        for (int i = 0; i < costs.length; i++) {
            Replica replica = choice.replicas[i];
            double blocks = (replica.pendingTokens + choice.prompt.tokens) / SimulatedPrompt.BLOCK_TOKENS;
            int active = replica.active.size();
            for (long block : choice.prompt.blocks) {
                active += replica.active.get(block) == 0 ? 1 : 0;
            }
            costs[i] = PREFILL_WEIGHT * Math.max(0, blocks - choice.hits[i]) + active;
            choice.term(i, "blocks to compute and in use", costs[i]);
        }
        return choice.least(costs);
    }

    @Override
    public String toString() {
        return "dynamo(prefill weight " + PREFILL_WEIGHT + ", temperature 0, exact cache events)";
    }
}
