/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * Compares a kernel with plain Java before it serves: one layer of the model's own width and settings with drawn weights,
 * over a prompt, chunks behind it, mixed batches and a token alone. It finds operations that are missing or compute something else on
 * this platform, in the time of a few steps and without a second copy of the model.
 */
final class SelfCheck {
    /** fp32 in another order of summation differs by 1e-6 of the greatest logit; a mistake shows as 1e-3 and more. */
    static final double TOLERANCE = 1e-4;

    /** What numbers of 16 bits may differ by. */
    static final double COARSE_TOLERANCE = 3e-2;

    /** At least so many tokens, and not fewer than the width where the model has more: matrices are kept by their shape. */
    private static final int VOCABULARY = 128;

    private static final int CONTEXT = 32;
    private static final long SEED = 17;
    /** Large enough that norms and activations leave their linear range, and another formula shows. */
    private static final double DEVIATION = 0.08;

    private SelfCheck() {}

    /**
     * {@return how far a kernel's logits are from those of plain Java, as a share of the greatest logit; infinite where
     * they are no numbers}
     */
    static double difference(Gpt2Config config, Function<Checkpoint, Kernel> kernel) {
        Gpt2Config miniature = miniature(config);
        Checkpoint checkpoint = Checkpoint.drawn(miniature, SEED, DEVIATION);
        List<float[]> expected;
        List<float[]> actual;
        try (Kernel reference = new JavaKernel(miniature, checkpoint, LayerRange.all(miniature));
                Kernel candidate = kernel.apply(checkpoint)) {
            expected = logits(reference, miniature.vocabularySize());
            actual = logits(candidate, miniature.vocabularySize());
        }
        double greatest = 0;
        double difference = 0;
        for (int i = 0; i < expected.size(); i++) {
            for (int id = 0; id < miniature.vocabularySize(); id++) {
                greatest = Math.max(greatest, Math.abs(expected.get(i)[id]));
                difference = Math.max(difference, Math.abs(expected.get(i)[id] - actual.get(i)[id]));
            }
        }
        double share = difference / greatest;
        return Double.isNaN(share) ? Double.POSITIVE_INFINITY : share;
    }

    /** {@return the shape that is computed for the check; of two layers where layers differ} */
    static Gpt2Config miniature(Gpt2Config config) {
        return new Gpt2Config(
                Math.min(config.vocabularySize(), Math.max(VOCABULARY, config.width())),
                CONTEXT,
                config.width(),
                config.scaleByLayer() ? Math.min(2, config.layers()) : 1,
                config.heads(),
                config.innerWidth(),
                config.epsilon(),
                config.activation(),
                config.scaleAttention(),
                config.scaleByLayer(),
                config.tiedOutput(),
                Set.of());
    }

    private static List<float[]> logits(Kernel kernel, int vocabulary) {
        List<float[]> logits = new ArrayList<>();
        try (Kernel.KvCache first = kernel.allocate(CONTEXT);
                Kernel.KvCache second = kernel.allocate(CONTEXT)) {
            logits.addAll(step(kernel, new Kernel.Slice(first, tokens(7, 0, vocabulary), true)));
            logits.addAll(step(
                    kernel,
                    new Kernel.Slice(first, tokens(1, 7, vocabulary), true),
                    new Kernel.Slice(second, tokens(5, 3, vocabulary), true)));
            logits.addAll(step(
                    kernel,
                    new Kernel.Slice(first, tokens(4, 11, vocabulary), true),
                    new Kernel.Slice(second, tokens(1, 8, vocabulary), true)));
            logits.addAll(step(kernel, new Kernel.Slice(second, tokens(1, 9, vocabulary), true)));
        }
        return logits;
    }

    private static List<float[]> step(Kernel kernel, Kernel.Slice... slices) {
        return List.of(kernel.step(List.of(slices)));
    }

    private static int[] tokens(int count, int from, int vocabulary) {
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++) {
            tokens[i] = (from + i) * 31 % vocabulary;
        }
        return tokens;
    }
}
