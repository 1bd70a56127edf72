/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.Arrays;
import java.util.List;

/** A kernel that goes wrong for sequences that begin with certain tokens. */
final class PoisonedKernel extends KernelDecorator {
    static final int NAN = 66;
    static final int THROWS = 77;

    Runnable duringStep = () -> {};

    PoisonedKernel(Kernel kernel) {
        super("poisoned", kernel);
    }

    @Override
    public float[][] step(List<Slice> slices) {
        duringStep.run();
        if (slices.stream().anyMatch(slice -> begins(slice, THROWS))) {
            throw new IllegalStateException("poisoned");
        }
        float[][] logits = kernel.step(slices);
        for (int i = 0; i < logits.length; i++) {
            if (begins(slices.get(i), NAN)) {
                Arrays.fill(logits[i], Float.NaN);
            }
        }
        return logits;
    }

    @Override
    public Kernel replica() {
        return new PoisonedKernel(kernel.replica());
    }

    private static boolean begins(Slice slice, int token) {
        return slice.tokens()[0] == token;
    }
}
