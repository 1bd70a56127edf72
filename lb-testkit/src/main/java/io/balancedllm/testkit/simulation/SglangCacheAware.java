/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * SGLang's {@code cache_aware}: the longest match if it covers enough of the prompt, else the fewest connections; and the
 * fewest connections at once when they have become too uneven.
 *
 * <p><b>When</b> to choose it: on its gateway, with few engines. <b>Ignores</b> how long prompts wait, and how much there
 * is to compute: affinity is lost above a threshold of imbalance and below one of match.
 *
 * <p>Source: {@code sgl-model-gateway/src/policies/cache_aware.rs}, with the defaults of its command line. The index here
 * has the size of the engine's memory, which is kinder than its tree.
 */
final class SglangCacheAware extends Rival {
    private static final double MATCH = 0.3;
    private static final int IMBALANCE = 64;
    private static final double IMBALANCE_RATIO = 1.5;

    SglangCacheAware(SimulatedFleet fleet) {
        super(fleet, View.OWN_HISTORY, false);
    }

    @Override
    int choose(Choice choice) {
        int fewest = Integer.MAX_VALUE;
        int most = 0;
        for (int count : choice.inFlight) {
            fewest = Math.min(fewest, count);
            most = Math.max(most, count);
        }
        if (most - fewest > IMBALANCE && most > fewest * IMBALANCE_RATIO) {
            return choice.leastConnections();
        }
        int best = 0;
        int longest = 0;
        int equals = 0;
        for (int i = 0; i < choice.size(); i++) {
            int hits = choice.hits[i];
            choice.term(i, "match", (double) hits * SimulatedPrompt.BLOCK_TOKENS / choice.prompt.tokens);
            if (hits > longest) {
                longest = hits;
                best = i;
                equals = 1;
            } else if (hits == longest && hits > 0 && choice.random().nextInt(++equals) == 0) {
                best = i;
            }
        }
        boolean enough = (double) longest * SimulatedPrompt.BLOCK_TOKENS / choice.prompt.tokens > MATCH;
        return enough ? best : choice.leastConnections();
    }

    @Override
    public String toString() {
        return "sglang(match " + MATCH + ", imbalance " + IMBALANCE + " and " + IMBALANCE_RATIO + ")";
    }
}
