/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** The arithmetic a model runs on. All but {@link #HALF_WEIGHTS} give the same logits within the rounding of fp32. */
public enum KernelChoice {
    /**
     * The fastest that gives the checkpoint's own numbers on this platform: plain Java for models of up to 8 million
     * parameters, else fp16 weights where the checkpoint is stored so, else oneDNN from 20 million on, else PyTorch as it
     * is, else plain Java; one warning for each that was to be taken and cannot.
     */
    AUTOMATIC,

    /**
     * PyTorch, one native call a step, with linear layers packed for oneDNN; where both take at most half of the memory there
     * is, plain ones are kept beside, through which a single sequence goes faster.
     */
    ONE_DNN,

    /** PyTorch, one native call a step. */
    SCRIPT,

    /**
     * PyTorch, one native call a step, with matrices in fp16 and all arithmetic in fp32: half the bytes to read for each
     * token, so about twice the speed of one sequence. Exact for checkpoints stored in fp16; others are rounded.
     */
    HALF_WEIGHTS,

    /** Plain Java: needs no native library and starts at once. The fastest for models of a few million parameters. */
    PLAIN_JAVA
}
