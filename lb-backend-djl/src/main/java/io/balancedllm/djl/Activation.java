/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** The non-linearities that occur in GPT-2 checkpoints. */
enum Activation {
    /** The tanh approximation: {@code gelu_new} and {@code gelu_pytorch_tanh}. */
    GELU_TANH,
    /** The exact form, with the error function: {@code gelu}. */
    GELU_EXACT,
    /** {@code relu}. */
    RELU;

    /** 2 sqrt(2/pi): 0.5 (1 + tanh(z)) is sigmoid(2 z). */
    static final double GELU_SLOPE = 1.5957691216057308;

    /** The cubic term's weight in the tanh approximation. */
    static final double GELU_CUBIC = 0.044715;
}
