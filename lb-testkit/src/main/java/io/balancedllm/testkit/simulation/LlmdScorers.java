/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.time.Duration;

/**
 * llm-d's endpoint picker: a weighted sum of scores for a short queue, free KV memory and a long match; the queue and the
 * memory as polled from the engines.
 *
 * <p><b>When</b> to choose it: with the Kubernetes gateway it extends. <b>Ignores</b> how large what waits is, what was
 * sent since the last poll, and by how much a queue is longer: scores are relative.
 *
 * <p>Source: llm-d-inference-scheduler and the Gateway API inference extension, weights of the chart's default; the match
 * is not limited to 4,096 tokens as it is there.
 */
final class LlmdScorers extends Rival {
    private static final double QUEUE_WEIGHT = 2;
    private static final double MEMORY_WEIGHT = 2;
    private static final double MATCH_WEIGHT = 3;
    private static final Duration POLL = Duration.ofMillis(50);

    LlmdScorers(SimulatedFleet fleet) {
        super(fleet, View.OWN_HISTORY, false);
        fleet.poll(POLL.toNanos());
    }

    @Override
    int choose(Choice choice) {
        int shortest = Integer.MAX_VALUE;
        int longest = 0;
        for (int i = 0; i < choice.size(); i++) {
            int waiting = polled(choice, i).waiting;
            shortest = Math.min(shortest, waiting);
            longest = Math.max(longest, waiting);
        }
        int blocks = Math.max(1, choice.prompt.blocks.length);
        double[] costs = new double[choice.size()];
        for (int i = 0; i < costs.length; i++) {
            SimulatedFleet.Polled polled = polled(choice, i);
            double queue = longest == shortest ? 1 : (double) (longest - polled.waiting) / (longest - shortest);
            double match = Math.min(1, (double) choice.hits[i] / blocks);
            costs[i] = -(QUEUE_WEIGHT * queue + MEMORY_WEIGHT * (1 - polled.kvUsage) + MATCH_WEIGHT * match);
            choice.term(i, "score (higher is better)", -costs[i]);
        }
        return choice.least(costs);
    }

    private SimulatedFleet.Polled polled(Choice choice, int candidate) {
        return fleet.polled(choice.candidates.get(candidate));
    }

    @Override
    public String toString() {
        return "llmd(queue " + QUEUE_WEIGHT + ", memory " + MEMORY_WEIGHT + ", match " + MATCH_WEIGHT
                + ", polled every " + POLL.toMillis() + " ms)";
    }
}
