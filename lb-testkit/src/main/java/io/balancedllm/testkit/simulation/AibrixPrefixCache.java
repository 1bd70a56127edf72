/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

/**
 * AIBrix' {@code prefix-cache}: the longest match among engines that are not much busier than the rest, else the fewest
 * requests; when the counts differ by more than a bound, only the idlest engines are looked at.
 *
 * <p><b>When</b> to choose it: on its gateway. <b>Ignores</b> the size of prompts, so one long prompt counts like a short
 * one, and affinity is lost exactly under pressure.
 *
 * <p>Source: {@code pkg/plugins/gateway/algorithms/prefix_cache.go} of AIBrix.
 */
final class AibrixPrefixCache extends Rival {
    private static final int IMBALANCE = 8;
    private static final double DEVIATIONS = 1;

    AibrixPrefixCache(SimulatedFleet fleet) {
        super(fleet, View.OWN_HISTORY, false);
    }

    @Override
    int choose(Choice choice) {
        int[] counts = choice.inFlight;
        int fewest = Integer.MAX_VALUE;
        int most = 0;
        double mean = 0;
        for (int count : counts) {
            fewest = Math.min(fewest, count);
            most = Math.max(most, count);
            mean += (double) count / counts.length;
        }
        double variance = 0;
        for (int count : counts) {
            variance += (count - mean) * (count - mean) / counts.length;
        }
        double bound = most - fewest > IMBALANCE ? fewest : Double.POSITIVE_INFINITY;
        bound = Math.min(bound, mean + DEVIATIONS * Math.sqrt(variance));
        int best = -1;
        int equals = 0;
        for (int i = 0; i < counts.length; i++) {
            choice.term(i, "matched blocks", choice.hits[i]);
            if (counts[i] > bound || choice.hits[i] == 0) {
                continue;
            }
            int order = best < 0 ? 1 : compare(choice, i, best);
            if (order > 0) {
                best = i;
                equals = 1;
            } else if (order == 0 && choice.random().nextInt(++equals) == 0) {
                best = i;
            }
        }
        return best >= 0 ? best : choice.leastConnections();
    }

    private static int compare(Choice choice, int left, int right) {
        int byMatch = Integer.compare(choice.hits[left], choice.hits[right]);
        return byMatch != 0 ? byMatch : Integer.compare(choice.inFlight[right], choice.inFlight[left]);
    }

    @Override
    public String toString() {
        return "aibrix(imbalance " + IMBALANCE + ", deviations " + DEVIATIONS + ")";
    }
}
