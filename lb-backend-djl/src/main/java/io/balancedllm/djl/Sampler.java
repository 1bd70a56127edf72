/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.completion.SamplingOptions;
import java.util.Arrays;
import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Draws the tokens of one sequence, in the order of Hugging Face transformers: repetition, frequency and presence penalty,
 * temperature, top-k, top-p, min-p; each later filter sees what the earlier ones left, renormalised. The repetition penalty
 * counts prompt and output, the other two the output only. Temperature 0 is greedy, unset values are temperature 1 and no
 * filter. The generator belongs to the sequence, so its tokens do not depend on the batch. Not thread-safe.
 */
final class Sampler {
    private final double temperature;
    private final int topK;
    private final double topP;
    private final double minP;
    private final double repetitionPenalty;
    private final double presencePenalty;
    private final double frequencyPenalty;
    private final SplittableRandom random;
    private final boolean[] seen;
    private final int[] drawn;

    Sampler(SamplingOptions options, long seed, int vocabularySize) {
        temperature = options.temperature().orElse(1);
        topK = options.topK().orElse(0);
        topP = options.topP().orElse(1);
        minP = options.minP().orElse(0);
        repetitionPenalty = options.repetitionPenalty().orElse(1);
        presencePenalty = options.presencePenalty().orElse(0);
        frequencyPenalty = options.frequencyPenalty().orElse(0);
        random = new SplittableRandom(seed);
        seen = new boolean[vocabularySize];
        drawn = new int[vocabularySize];
    }

    /** Counts a prompt's tokens as seen. */
    void see(int[] prompt) {
        for (int id : prompt) {
            seen[id] = true;
        }
    }

    /** {@return the next token, drawn from these logits} */
    int next(float[] logits) {
        int id = draw(logits);
        seen[id] = true;
        drawn[id]++;
        return id;
    }

    /** {@return what can be drawn, in no order} */
    Distribution distribution(float[] logits) {
        double[] scores = new double[logits.length];
        for (int id = 0; id < scores.length; id++) {
            scores[id] = penalized(logits[id], id) / (temperature == 0 ? 1 : temperature);
        }
        double least = topK > 0 && topK < scores.length ? kthGreatest(scores, topK) : Double.NEGATIVE_INFINITY;
        int[] ids = IntStream.range(0, scores.length)
                .filter(id -> scores[id] >= least)
                .toArray();
        double greatest = Arrays.stream(scores).max().orElse(0);
        double[] weights = Arrays.stream(ids)
                .mapToDouble(id -> Math.exp(scores[id] - greatest))
                .toArray();
        Distribution all = new Distribution(ids, weights).normalized();
        Distribution nucleus = topP < 1 ? all.nucleus(topP) : all;
        return minP > 0 ? nucleus.atLeast(minP * nucleus.greatest()) : nucleus;
    }

    private int draw(float[] logits) {
        if (temperature == 0) {
            float[] penalized = new float[logits.length];
            for (int id = 0; id < logits.length; id++) {
                penalized[id] = (float) penalized(logits[id], id);
            }
            return JavaOps.argMax(penalized);
        }
        return distribution(logits).draw(random.nextDouble());
    }

    private double penalized(double logit, int id) {
        double result = logit;
        if (seen[id] && repetitionPenalty != 1) {
            result = result > 0 ? result / repetitionPenalty : result * repetitionPenalty;
        }
        return drawn[id] > 0 ? result - drawn[id] * frequencyPenalty - presencePenalty : result;
    }

    static double kthGreatest(double[] values, int k) {
        PriorityQueue<Double> greatest = new PriorityQueue<>(k);
        for (double value : values) {
            if (greatest.size() < k) {
                greatest.add(value);
            } else if (value > greatest.element()) {
                greatest.remove();
                greatest.add(value);
            }
        }
        return greatest.element();
    }

    /** Tokens and their probabilities, which sum to 1. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Distribution(int[] ids, double[] probabilities) {
        double greatest() {
            return Arrays.stream(probabilities).max().orElse(1);
        }

        int draw(double uniform) {
            double left = uniform;
            for (int i = 0; i < ids.length; i++) {
                left -= probabilities[i];
                if (left < 0) {
                    return ids[i];
                }
            }
            return ids[ids.length - 1];
        }

        /** The smallest set of most probable tokens whose sum reaches the threshold. */
        Distribution nucleus(double threshold) {
            // What is less probable than this sums to less than 1 - threshold, so the nucleus ends before it: no need
            // to sort the long tail.
            double negligible = (1 - threshold) / ids.length;
            Integer[] order = IntStream.range(0, ids.length)
                    .filter(i -> probabilities[i] >= negligible)
                    .boxed()
                    .sorted(Comparator.comparingDouble((Integer i) -> -probabilities[i]))
                    .toArray(Integer[]::new);
            double sum = 0;
            int kept = 0;
            while (kept < order.length && (kept == 0 || sum < threshold)) {
                sum += probabilities[order[kept]];
                kept++;
            }
            return select(
                    Arrays.stream(order, 0, kept).mapToInt(Integer::intValue).toArray());
        }

        Distribution atLeast(double probability) {
            return select(IntStream.range(0, ids.length)
                    .filter(i -> probabilities[i] >= probability)
                    .toArray());
        }

        Distribution normalized() {
            double sum = Arrays.stream(probabilities).sum();
            return new Distribution(
                    ids, Arrays.stream(probabilities).map(p -> p / sum).toArray());
        }

        private Distribution select(int[] indices) {
            return new Distribution(
                            Arrays.stream(indices).map(i -> ids[i]).toArray(),
                            Arrays.stream(indices)
                                    .mapToDouble(i -> probabilities[i])
                                    .toArray())
                    .normalized();
        }
    }
}
