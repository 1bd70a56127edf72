/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** The reference models of the test resources, and the numbers Hugging Face transformers gives for them. */
final class Golden {
    static final List<String> MODELS = List.of("gpt2-tiny-a", "gpt2-tiny-b", "gpt2-tiny-c");
    private static final ObjectMapper JSON = new ObjectMapper();

    private Golden() {}

    static Path path(String name) {
        URL url = Objects.requireNonNull(Golden.class.getResource("/golden/" + name));
        try {
            return Path.of(url.toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    static Gpt2Model model(String name, KernelChoice kernel) {
        return Gpt2Model.load(ModelFiles.directory(path(name)), name, KernelOptions.DEFAULT.choice(kernel));
    }

    static JsonNode numbers(String model) {
        return json(path(model).resolve("golden.json"));
    }

    static JsonNode prompt(JsonNode numbers, String name) {
        for (JsonNode prompt : numbers.path("prompts")) {
            if (prompt.path("name").asText().equals(name)) {
                return prompt;
            }
        }
        throw new AssertionError("no prompt " + name);
    }

    static List<JsonNode> vectors(String file) {
        try {
            List<JsonNode> vectors = new ArrayList<>();
            for (String line : Files.readAllLines(path(file))) {
                vectors.add(JSON.readTree(line));
            }
            return vectors;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    static int[] ints(JsonNode array) {
        int[] values = new int[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.path(i).asInt();
        }
        return values;
    }

    static double[] doubles(JsonNode array) {
        double[] values = new double[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.path(i).asDouble();
        }
        return values;
    }

    private static JsonNode json(Path path) {
        try {
            return JSON.readTree(path.toFile());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
