/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Pattern;

/**
 * The weights of one GPT-2 model under the names of the published checkpoint without {@code transformer.}: every tensor
 * the configuration asks for is there in its shape, and there is none that would count and is not used.
 */
final class Checkpoint {
    private static final String PREFIX = "transformer.";
    private static final String OUTPUT = "lm_head.weight";
    /** What GPT-2 is initialised with. */
    static final double INITIAL_DEVIATION = 0.02;

    /** Causal masks that old versions of transformers saved as if they were weights. */
    private static final Pattern LEGACY_MASK = Pattern.compile("h\\.\\d+\\.attn\\.(bias|masked_bias)");

    private final Gpt2Config config;
    private final Map<String, Tensor> tensors = new HashMap<>();

    private Checkpoint(Gpt2Config config) {
        this.config = config;
    }

    static Checkpoint open(ModelFiles files, Gpt2Config config) {
        Checkpoint checkpoint = new Checkpoint(config);
        for (String file : weightFiles(files)) {
            Safetensors tensors = files.tensors(file);
            for (String name : tensors.names()) {
                checkpoint.add(files.describe(file), tensors.tensor(name));
            }
        }
        checkpoint.checkComplete(files);
        return checkpoint;
    }

    /**
     * {@return weights of a shape without a model: matrices and biases drawn evenly with this standard deviation, norms
     * that do little; the same ones for each seed}
     */
    static Checkpoint drawn(Gpt2Config config, long seed, double deviation) {
        float spread = (float) (Math.sqrt(12) * deviation);
        Checkpoint checkpoint = new Checkpoint(config);
        checkpoint.expectedShapes().forEach((name, shape) -> {
            long own = seed * 31 + name.hashCode();
            float center = name.matches(".*ln_.*weight") ? 1 : 0;
            checkpoint.tensors.put(name, new Tensor("drawn weights", name, "F32", shape, (from, into) -> {
                SplittableRandom random = new SplittableRandom(own + from);
                while (into.hasRemaining()) {
                    into.putFloat(center + (random.nextFloat() - 0.5f) * spread);
                }
            }));
        });
        return checkpoint;
    }

    /** {@return a tensor by its canonical name} */
    Tensor tensor(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("no tensor " + name);
        }
        return tensor;
    }

    /** {@return whether all matrices are stored as this type} */
    boolean storedAs(String type) {
        return tensors.values().stream()
                .filter(tensor -> tensor.shape().length == 2)
                .allMatch(tensor -> tensor.type().equals(type));
    }

    /** {@return the matrix from the last layer to logits, [vocabulary, width]} */
    Tensor output() {
        return tensor(config.tiedOutput() ? "wte.weight" : OUTPUT);
    }

    private static Set<String> weightFiles(ModelFiles files) {
        String index = "model.safetensors.index.json";
        if (files.contains(index)) {
            Set<String> shards = new HashSet<>();
            for (JsonNode shard : files.json(index).path("weight_map")) {
                String name = shard.asText();
                if (name.contains("/") || name.contains("\\")) {
                    throw new InvalidModelException(
                            files.describe(index) + ": shard " + name + " is outside of the directory: fetch it again");
                }
                shards.add(name);
            }
            if (shards.isEmpty()) {
                throw new InvalidModelException(files.describe(index) + " has no weight_map: fetch it again");
            }
            return shards;
        }
        if (files.contains("model.safetensors")) {
            return Set.of("model.safetensors");
        }
        List<String> all = files.endingWith(".safetensors");
        if (all.size() == 1) {
            return Set.copyOf(all);
        }
        if (files.contains("pytorch_model.bin")) {
            throw new InvalidModelException(files.describe("pytorch_model.bin")
                    + " is a pickle, which is not read: save the model as model.safetensors");
        }
        throw all.isEmpty()
                ? files.missing("model.safetensors")
                : new InvalidModelException(files.describe("model.safetensors") + " does not exist and " + all
                        + " is ambiguous: name the one to use model.safetensors");
    }

    private void add(String file, Tensor tensor) {
        String name = tensor.name();
        String canonical = name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
        if (LEGACY_MASK.matcher(canonical).matches()) {
            return;
        }
        if (tensors.put(canonical, tensor) != null) {
            throw new InvalidModelException(
                    file + ": tensor " + name + " is there twice: fetch the model directory again");
        }
    }

    private void checkComplete(ModelFiles files) {
        Map<String, long[]> expected = expectedShapes();
        String where = files.describe("*.safetensors");
        expected.forEach((name, shape) -> {
            if (!tensors.containsKey(name)) {
                throw new InvalidModelException(
                        where + ": tensor " + name + " is missing: the checkpoint is incomplete, fetch it again");
            }
            checkShape(tensor(name), shape);
        });
        for (String name : tensors.keySet()) {
            if (name.equals(OUTPUT) && config.tiedOutput()) {
                checkTied();
            } else if (!expected.containsKey(name)) {
                throw new InvalidModelException(where + ": tensor " + name
                        + " is no part of a GPT-2 language model of the shape in config.json:"
                        + " check that config.json and weights belong together");
            }
        }
    }

    private static void checkShape(Tensor tensor, long[] shape) {
        if (!tensor.hasShape(shape)) {
            throw new InvalidModelException(tensor.file() + ": tensor " + tensor.name() + " has shape "
                    + Arrays.toString(tensor.shape()) + ", but config.json asks for "
                    + Arrays.toString(shape) + ": check that config.json and weights belong together");
        }
        if (!Set.of("F32", "F16", "BF16").contains(tensor.type())) {
            throw new InvalidModelException(tensor.file() + ": tensor " + tensor.name() + " has dtype " + tensor.type()
                    + "; weights must be F32, F16 or BF16: save the model in one of these");
        }
    }

    /** A tied model may carry a copy of the embedding as its output matrix; another matrix would be another model. */
    private void checkTied() {
        Tensor output = tensor(OUTPUT);
        Tensor embedding = tensor("wte.weight");
        if (!output.sameAs(embedding)) {
            throw new InvalidModelException(output.file() + ": tensor " + output.name()
                    + " differs from wte.weight, but config.json ties them: set tie_word_embeddings to false if the"
                    + " model was trained so");
        }
    }

    private Map<String, long[]> expectedShapes() {
        long width = config.width();
        long inner = config.innerWidth();
        Map<String, long[]> shapes = new HashMap<>();
        shapes.put("wte.weight", new long[] {config.vocabularySize(), width});
        shapes.put("wpe.weight", new long[] {config.contextLength(), width});
        shapes.put("ln_f.weight", new long[] {width});
        shapes.put("ln_f.bias", new long[] {width});
        if (!config.tiedOutput()) {
            shapes.put(OUTPUT, new long[] {config.vocabularySize(), width});
        }
        for (int layer = 0; layer < config.layers(); layer++) {
            String prefix = "h." + layer + ".";
            for (String norm : List.of("ln_1", "ln_2")) {
                shapes.put(prefix + norm + ".weight", new long[] {width});
                shapes.put(prefix + norm + ".bias", new long[] {width});
            }
            putLinear(shapes, prefix + "attn.c_attn", width, 3 * width);
            putLinear(shapes, prefix + "attn.c_proj", width, width);
            putLinear(shapes, prefix + "mlp.c_fc", width, inner);
            putLinear(shapes, prefix + "mlp.c_proj", inner, width);
        }
        return shapes;
    }

    private static void putLinear(Map<String, long[]> shapes, String name, long in, long out) {
        shapes.put(name + ".weight", new long[] {in, out});
        shapes.put(name + ".bias", new long[] {out});
    }
}
