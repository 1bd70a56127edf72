/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

/** Adds up how well cached tokens were foreseen, in total and lately. Not thread-safe. */
final class ErrorCounter {
    /** What a prediction still weighs in what is recent, after one more: the last 20 or so count. */
    static final double RECENT = 0.95;

    private long predictions;
    private long predicted;
    private long confirmed;
    private long over;
    private long unforeseen;
    private double recentPredicted;
    private double recentOver;
    private double recentWeight;

    void add(long predictedTokens, long actualTokens) {
        long tooMany = Math.max(0, predictedTokens - actualTokens);
        predictions++;
        predicted += predictedTokens;
        confirmed += predictedTokens - tooMany;
        over += tooMany;
        unforeseen += Math.max(0, actualTokens - predictedTokens);
        recentPredicted = recentPredicted * RECENT + predictedTokens;
        recentOver = recentOver * RECENT + tooMany;
        recentWeight = recentWeight * RECENT + (predictedTokens > 0 ? 1 : 0);
    }

    /** {@return the share of tokens predicted lately that were not there; 0 while there are too few to say} */
    double recentOverShare(int fewest) {
        return recentWeight < fewest ? 0 : recentOver / recentPredicted;
    }

    PredictionErrors snapshot() {
        return new PredictionErrors(predictions, predicted, confirmed, over, unforeseen);
    }
}
