/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.djl.JavaOps.Linear;
import io.balancedllm.djl.JavaOps.Norm;
import org.jspecify.annotations.Nullable;

/** The weights of some layers on the Java heap. Immutable: any number of kernels computes with them. */
final class JavaWeights {
    final Gpt2Config config;
    final LayerRange range;
    final Layer[] layers;
    private final @Nullable Embedding embedding;
    private final @Nullable Head head;

    JavaWeights(Gpt2Config config, Checkpoint checkpoint, LayerRange range) {
        this.config = config;
        this.range = range;
        layers = new Layer[range.size()];
        for (int i = 0; i < layers.length; i++) {
            layers[i] = new Layer(config, checkpoint, range.from() + i);
        }
        embedding = range.first()
                ? new Embedding(
                        checkpoint.tensor("wte.weight").rows(),
                        checkpoint.tensor("wpe.weight").rows())
                : null;
        head = range.last()
                ? new Head(new Norm(checkpoint, "ln_f", config.epsilon()), Linear.transposed(checkpoint.output()))
                : null;
    }

    Embedding embedding() {
        if (embedding == null) {
            throw new IllegalStateException("layers " + range + " take states, not tokens");
        }
        return embedding;
    }

    Head head() {
        if (head == null) {
            throw new IllegalStateException("layers " + range + " give no logits");
        }
        return head;
    }

    /** Vectors of tokens and of positions, each [.., width]. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Embedding(float[][] tokens, float[][] positions) {}

    /** From the last layer to logits. */
    record Head(Norm norm, Linear output) {}

    /** One layer. */
    static final class Layer {
        final Norm beforeAttention;
        final Linear queryKeyValue;
        final Linear attentionOutput;
        final Norm beforeInner;
        final Linear innerInput;
        final Linear innerOutput;

        Layer(Gpt2Config config, Checkpoint checkpoint, int index) {
            String prefix = "h." + index + ".";
            beforeAttention = new Norm(checkpoint, prefix + "ln_1", config.epsilon());
            queryKeyValue = new Linear(checkpoint, prefix + "attn.c_attn");
            attentionOutput = new Linear(checkpoint, prefix + "attn.c_proj");
            beforeInner = new Norm(checkpoint, prefix + "ln_2", config.epsilon());
            innerInput = new Linear(checkpoint, prefix + "mlp.c_fc");
            innerOutput = new Linear(checkpoint, prefix + "mlp.c_proj");
        }
    }
}
