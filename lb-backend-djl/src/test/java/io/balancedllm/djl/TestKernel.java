/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** The kernels that tests compare. */
enum TestKernel {
    /** The oracle: one public operation of DJL after the other. */
    ND_ARRAY,
    SCRIPT,
    ONE_DNN,
    HALF_WEIGHTS,
    PLAIN_JAVA;

    /** Loads a reference model. */
    Gpt2Model load(String name) {
        if (this != ND_ARRAY) {
            return Golden.model(name, KernelChoice.valueOf(name()));
        }
        Gpt2Model model = Golden.model(name, KernelChoice.PLAIN_JAVA);
        return model.withKernel(load(name, LayerRange.all(model.config())));
    }

    /** Loads some layers of a reference model. */
    Kernel load(String name, LayerRange range) {
        ModelFiles files = ModelFiles.directory(Golden.path(name));
        Gpt2Config config = Gpt2Config.read(files);
        Checkpoint checkpoint = Checkpoint.open(files, config);
        return this == ND_ARRAY
                ? new NdArrayKernel(config, checkpoint, range, 1)
                : Kernels.load(
                        config,
                        checkpoint,
                        KernelOptions.DEFAULT
                                .choice(KernelChoice.valueOf(name()))
                                .layers(range));
    }
}
