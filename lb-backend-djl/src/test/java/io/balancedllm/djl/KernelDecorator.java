/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** A kernel that passes everything but steps on to another; what a test wants otherwise it overrides. */
abstract class KernelDecorator implements Kernel {
    final Kernel kernel;
    private final String kind;

    KernelDecorator(String kind, Kernel kernel) {
        this.kind = kind;
        this.kernel = kernel;
    }

    @Override
    public KvCache allocate(int tokens) {
        return kernel.allocate(tokens);
    }

    @Override
    public String name() {
        return kind + " " + kernel.name();
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
    public void close() {
        kernel.close();
    }
}
