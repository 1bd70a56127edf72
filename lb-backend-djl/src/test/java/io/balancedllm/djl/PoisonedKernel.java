/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.util.Arrays;
import java.util.List;

/** A kernel that goes wrong for sequences that begin with certain tokens. */
final class PoisonedKernel implements Kernel {
    static final int NAN = 66;
    static final int THROWS = 77;

    Runnable duringStep = () -> {};
    private final Kernel kernel;

    PoisonedKernel(Kernel kernel) {
        this.kernel = kernel;
    }

    @Override
    public KvCache allocate(int tokens) {
        return kernel.allocate(tokens);
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
    public String name() {
        return "poisoned";
    }

    @Override
    public String device() {
        return kernel.device();
    }

    @Override
    public LayerRange layers() {
        return kernel.layers();
    }

    @Override
    public long kvBytesPerToken() {
        return kernel.kvBytesPerToken();
    }

    @Override
    public Kernel replica() {
        return new PoisonedKernel(kernel.replica());
    }

    @Override
    public void close() {
        kernel.close();
    }

    private static boolean begins(Slice slice, int token) {
        return slice.tokens()[0] == token;
    }
}
