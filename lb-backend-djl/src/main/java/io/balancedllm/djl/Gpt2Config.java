/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Set;
import java.util.TreeSet;

/**
 * The shape of a GPT-2 model, from {@code config.json}. What would change the numbers and is not implemented is refused by
 * name; what cannot change them (dropout, initialisers, summary heads) is ignored. {@code reorder_and_upcast_attn} asks
 * for fp32 attention, which is what every kernel here computes, so it is accepted.
 */
record Gpt2Config(
        int vocabularySize,
        int contextLength,
        int width,
        int layers,
        int heads,
        int innerWidth,
        float epsilon,
        Activation activation,
        boolean scaleAttention,
        boolean scaleByLayer,
        boolean tiedOutput,
        Set<Integer> endTokens) {

    static Gpt2Config read(ModelFiles files) {
        return new Reader(files.describe("config.json"), files.json("config.json")).read();
    }

    int headWidth() {
        return width / heads;
    }

    /** {@return what a query-key product is multiplied by in a layer, counted from 0} */
    float attentionScale(int layer) {
        double scale = scaleAttention ? 1 / Math.sqrt(headWidth()) : 1;
        return (float) (scaleByLayer ? scale / (layer + 1) : scale);
    }

    long parameters() {
        long perLayer = 4L * width * width + 2L * width * innerWidth + 9L * width + innerWidth;
        long output = tiedOutput ? 0 : (long) vocabularySize * width;
        return (long) (vocabularySize + contextLength) * width + layers * perLayer + 2L * width + output;
    }

    private record Reader(String file, JsonNode json) {
        /** Keeps every product of two sizes inside a long, and rows inside an array. */
        private static final int MAX_SIZE = 1 << 24;

        Gpt2Config read() {
            refuseOtherModels();
            int width = size("n_embd", 768);
            int heads = size("n_head", 12);
            if (width % heads != 0) {
                throw invalid("n_embd " + width + " is not a multiple of n_head " + heads);
            }
            return new Gpt2Config(
                    size("vocab_size", 50257),
                    size("n_positions", size("n_ctx", 1024)),
                    width,
                    size("n_layer", 12),
                    heads,
                    json.path("n_inner").isNumber() ? size("n_inner", 0) : 4 * width,
                    epsilon(),
                    activation(),
                    flag("scale_attn_weights", true),
                    flag("scale_attn_by_inverse_layer_idx", false),
                    flag("tie_word_embeddings", true),
                    endTokens());
        }

        private void refuseOtherModels() {
            if (!json.isObject()) {
                throw invalid("it is not a JSON object");
            }
            String type = json.path("model_type").asText("gpt2");
            if (!type.equals("gpt2")) {
                throw invalid("model_type " + type + " is not gpt2");
            }
            JsonNode architectures = json.path("architectures");
            if (architectures.size() > 0 && !architectures.toString().contains("\"GPT2LMHeadModel\"")) {
                throw invalid("architectures " + architectures + " has no GPT2LMHeadModel");
            }
            if (flag("add_cross_attention", false)) {
                throw invalid("add_cross_attention is set");
            }
            if (json.path("pruned_heads").size() > 0) {
                throw invalid("pruned_heads is set");
            }
            if (json.path("quantization_config").size() > 0) {
                throw invalid("quantization_config is set");
            }
        }

        private int size(String name, int byDefault) {
            JsonNode node = json.path(name);
            if (node.isMissingNode()) {
                return byDefault;
            }
            if (!node.canConvertToInt() || !node.isIntegralNumber() || node.asInt() < 1 || node.asInt() > MAX_SIZE) {
                throw invalid(name + " is " + node + ", not a whole number from 1 to " + MAX_SIZE);
            }
            return node.asInt();
        }

        private boolean flag(String name, boolean byDefault) {
            JsonNode node = json.path(name);
            if (node.isMissingNode() || node.isNull()) {
                return byDefault;
            }
            if (!node.isBoolean()) {
                throw invalid(name + " is " + node + ", not true or false");
            }
            return node.asBoolean();
        }

        private float epsilon() {
            double epsilon = json.path("layer_norm_epsilon").asDouble(1e-5);
            if (!(epsilon > 0 && epsilon < 1)) {
                throw invalid("layer_norm_epsilon is " + json.path("layer_norm_epsilon") + ", not between 0 and 1");
            }
            return (float) epsilon;
        }

        private Activation activation() {
            String name = json.path("activation_function").asText("gelu_new");
            return switch (name) {
                case "gelu_new", "gelu_pytorch_tanh" -> Activation.GELU_TANH;
                case "gelu" -> Activation.GELU_EXACT;
                case "relu" -> Activation.RELU;
                default ->
                    throw invalid(
                            "activation_function " + name + " is none of gelu_new, gelu, gelu_pytorch_tanh, relu");
            };
        }

        private Set<Integer> endTokens() {
            JsonNode node = json.path("eos_token_id");
            Set<Integer> ids = new TreeSet<>();
            if (node.isInt()) {
                ids.add(node.asInt());
            }
            node.forEach(id -> ids.add(id.asInt()));
            return Set.copyOf(ids);
        }

        private InvalidModelException invalid(String what) {
            return new InvalidModelException(
                    file + ": " + what + ": only GPT-2 language models can be served, choose another directory");
        }
    }
}
