/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl.embedding;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * What the files of a sentence-transformers directory say of its model. What this cannot compute is refused by name.
 *
 * @param width values of a token's vector
 * @param epsilon of the normalisation of layers
 * @param gelu whether the activation is the exact GELU; else ReLU
 * @param maximumTokens tokens the model sees of a text, the special ones included
 * @param meanPooling whether a text's vector is the mean of its tokens'; else that of the first token
 */
record BertConfig(
        int layers, int heads, int width, float epsilon, boolean gelu, int maximumTokens, boolean meanPooling) {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Set<String> MODULES = Set.of("Transformer", "Pooling", "Normalize");
    private static final String MEAN = "pooling_mode_mean_tokens";
    private static final String FIRST = "pooling_mode_cls_token";

    static BertConfig read(Path directory) {
        Path file = directory.resolve("config.json");
        JsonNode config = json(file);
        require(file, "model_type", config.path("model_type").asText(), Set.of("bert"));
        require(
                file,
                "position_embedding_type",
                text(config, "position_embedding_type", "absolute"),
                Set.of("absolute"));
        String activation = text(config, "hidden_act", "gelu");
        require(file, "hidden_act", activation, Set.of("gelu", "relu"));
        requireModules(directory.resolve("modules.json"));
        int width = positive(file, config, "hidden_size");
        int heads = positive(file, config, "num_attention_heads");
        if (width % heads != 0) {
            throw refused(file, "hidden_size", width + ", which " + heads + " heads cannot share");
        }
        int positions = positive(file, config, "max_position_embeddings");
        return new BertConfig(
                positive(file, config, "num_hidden_layers"),
                heads,
                width,
                (float) config.path("layer_norm_eps").asDouble(1e-12),
                activation.equals("gelu"),
                maximumTokens(directory.resolve("sentence_bert_config.json"), positions),
                meanPooling(directory.resolve("1_Pooling").resolve("config.json")));
    }

    private static void requireModules(Path file) {
        if (Files.exists(file)) {
            for (JsonNode module : json(file)) {
                String type = module.path("type").asText();
                require(file, "type", type.substring(type.lastIndexOf('.') + 1), MODULES);
            }
        }
    }

    private static int maximumTokens(Path file, int positions) {
        return Files.exists(file)
                ? Math.min(positions, json(file).path("max_seq_length").asInt(positions))
                : positions;
    }

    private static boolean meanPooling(Path file) {
        if (!Files.exists(file)) {
            return true;
        }
        List<String> modes = new ArrayList<>();
        json(file).properties().forEach(field -> {
            if (field.getKey().startsWith("pooling_mode_") && field.getValue().asBoolean()) {
                modes.add(field.getKey());
            }
        });
        require(file, "pooling mode", String.join(" and ", modes), Set.of(MEAN, FIRST));
        return modes.contains(MEAN);
    }

    private static String text(JsonNode config, String name, String absent) {
        return config.path(name).asText(absent);
    }

    private static int positive(Path file, JsonNode config, String name) {
        int value = config.path(name).asInt();
        if (value < 1) {
            throw refused(file, name, config.path(name).toString());
        }
        return value;
    }

    private static void require(Path file, String name, String value, Set<String> possible) {
        if (!possible.contains(value)) {
            throw refused(file, name, '"' + value + "\"; possible is " + String.join(", ", possible));
        }
    }

    private static IllegalArgumentException refused(Path file, String name, String value) {
        return new IllegalArgumentException(file + ": " + name + " is " + value);
    }

    private static JsonNode json(Path file) {
        try {
            return JSON.readTree(file.toFile());
        } catch (IOException e) {
            throw new IllegalArgumentException(file + " cannot be read: " + e.getMessage(), e);
        }
    }
}
