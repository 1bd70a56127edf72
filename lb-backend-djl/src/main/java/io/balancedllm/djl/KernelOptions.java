/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import org.jspecify.annotations.Nullable;

/**
 * How to compute a model.
 *
 * @param choice which arithmetic
 * @param device {@code cpu}, {@code gpu0}, {@code gpu1}, ...
 * @param threads how many threads PyTorch uses within one operation
 * @param precision the numbers of weights and states
 * @param layers which layers, or null for all
 */
record KernelOptions(
        KernelChoice choice,
        String device,
        int threads,
        Precision precision,
        @Nullable LayerRange layers) {
    static final String CPU = "cpu";

    static final KernelOptions DEFAULT = new KernelOptions(KernelChoice.AUTOMATIC, CPU, 1, Precision.FP32, null);

    KernelOptions choice(KernelChoice other) {
        return new KernelOptions(other, device, threads, precision, layers);
    }

    KernelOptions device(String other) {
        return new KernelOptions(choice, other, threads, precision, layers);
    }

    KernelOptions threads(int other) {
        return new KernelOptions(choice, device, other, precision, layers);
    }

    KernelOptions precision(Precision other) {
        return new KernelOptions(choice, device, threads, other, layers);
    }

    KernelOptions layers(LayerRange range) {
        return new KernelOptions(choice, device, threads, precision, range);
    }

    LayerRange layers(Gpt2Config config) {
        return layers == null ? LayerRange.all(config) : layers;
    }
}
