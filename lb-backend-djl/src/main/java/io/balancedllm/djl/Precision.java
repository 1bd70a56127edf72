/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** The numbers a model is computed with. */
public enum Precision {
    /** 32-bit floats; the only one on a CPU. */
    FP32,

    /** 16-bit IEEE floats, on a GPU. */
    FP16,

    /** 16-bit brain floats, on a GPU. */
    BF16
}
