/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.Comparator;
import java.util.stream.IntStream;

/** Log probabilities as the model gives them, before penalties, temperature and filters. */
final class TokenProbabilities {
    private TokenProbabilities() {}

    static double logProbability(float[] logits, int id) {
        return logits[id] - logSum(logits);
    }

    /** {@return the ids of the greatest logits, greatest first} */
    static int[] best(float[] logits, int count) {
        if (count == 0) {
            return new int[0];
        }
        double[] scores =
                IntStream.range(0, logits.length).mapToDouble(id -> logits[id]).toArray();
        double least = Sampler.kthGreatest(scores, Math.min(count, scores.length));
        return IntStream.range(0, scores.length)
                .filter(id -> scores[id] >= least)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer id) -> -scores[id]))
                .limit(count)
                .mapToInt(Integer::intValue)
                .toArray();
    }

    /** {@return the logarithm of the sum of all exponentials; NaN or infinite where a logit is} */
    static double logSum(float[] logits) {
        double greatest = IntStream.range(0, logits.length)
                .mapToDouble(id -> logits[id])
                .max()
                .orElse(0);
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - greatest);
        }
        return greatest + Math.log(sum);
    }

    /** {@return whether every logit is a number} */
    static boolean finite(float[] logits) {
        float poison = 0;
        for (float logit : logits) {
            poison += logit * 0;
        }
        return poison == 0;
    }
}
