/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** The kernels that tests compare. */
enum TestKernel {
    /** The oracle: one public operation of DJL after the other. */
    ND_ARRAY,
    SCRIPT,
    ONE_DNN,
    /** As on machines that have no room for plain matrices beside. */
    ONE_DNN_ALONE,
    HALF_WEIGHTS,
    PLAIN_JAVA;

    /** Loads a reference model. */
    Gpt2Model load(String name) {
        if (this != ND_ARRAY && this != ONE_DNN_ALONE) {
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
        return switch (this) {
            case ND_ARRAY -> new NdArrayKernel(config, checkpoint, range, 1);
            case ONE_DNN_ALONE ->
                new ScriptKernel(
                        config, checkpoint, range, ScriptLinears.ONE_DNN, TorchRuntime.Place.of(KernelOptions.DEFAULT));
            default ->
                Kernels.load(
                        config,
                        checkpoint,
                        KernelOptions.DEFAULT
                                .choice(KernelChoice.valueOf(name()))
                                .layers(range));
        };
    }
}
