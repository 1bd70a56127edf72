/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;

/**
 * Trains a small GPT-2 from scratch on this machine's processor with AdamW (weight decay on matrices, gradients clipped by
 * their global norm). With one thread the same calls give the same weights, bit for bit, also across {@link #save} and
 * {@link #resume}. One thread at a time, and one trainer computing gradients in a process: DJL collects gradients for one
 * at a time. Native memory does not grow with the steps; {@link #close} frees it.
 *
 * @see <a href="https://arxiv.org/abs/1711.05101">Loshchilov, Hutter: Decoupled Weight Decay Regularization</a>
 */
public final class Gpt2Trainer implements AutoCloseable {
    /** Gradients longer than this, over all weights together, are shortened to it. */
    public static final double GRADIENT_NORM_LIMIT = 1.0;

    /** How much of the mean of the gradients a step keeps. */
    public static final double FIRST_MOMENT_DECAY = 0.9;

    /** How much of the mean of the squared gradients a step keeps; less than usual, for trainings of few steps. */
    public static final double SECOND_MOMENT_DECAY = 0.98;

    /** By which share of itself, times the learning rate, a step shrinks a matrix. */
    public static final double WEIGHT_DECAY = 0.05;

    private static final double EMBEDDING_DEVIATION = 0.02;
    private static final float EPSILON = 1e-5f;
    private static final String FIRST_MOMENT = "first.";
    private static final String SECOND_MOMENT = "second.";
    private static final String STEPS = "steps";
    private static final String SECONDS = "seconds";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Tokenizer tokenizer;
    private final Gpt2Config config;
    private final TrainingState state;
    private final int end;
    private int steps;
    private double seconds;

    /**
     * The size of a model.
     *
     * @param layers transformer blocks
     * @param width of the states, a multiple of {@code heads}
     * @param heads of the attention
     * @param contextLength the longest text, in tokens
     */
    public record Size(int layers, int width, int heads, int contextLength) {
        /** Checks the numbers. */
        public Size {
            if (layers < 1 || heads < 1 || width < heads || width % heads != 0 || contextLength < 2) {
                throw new IllegalArgumentException("there is no model of " + layers + " layers, width " + width + ", "
                        + heads + " heads and context " + contextLength + ": width must be a multiple of heads");
            }
        }
    }

    private Gpt2Trainer(
            Path tokenizerFiles,
            Size size,
            int threads,
            Function<Map<String, long[]>, Function<String, float[]>> from) {
        tokenizer = Tokenizer.open(ModelFiles.directory(tokenizerFiles));
        end = tokenizer
                .special(Tokenizer.END_OF_TEXT)
                .orElseThrow(() -> new InvalidModelException(tokenizerFiles + " has no token " + Tokenizer.END_OF_TEXT
                        + ": let BytePairTraining write the tokenizer"));
        config = new Gpt2Config(
                tokenizer.size(),
                size.contextLength(),
                size.width(),
                size.layers(),
                size.heads(),
                4 * size.width(),
                EPSILON,
                Activation.GELU_TANH,
                true,
                false,
                true,
                Set.of(end));
        Map<String, long[]> shapes = shapes(config);
        state = new TrainingState(config, threads, shapes, from.apply(shapes));
    }

    /**
     * A model with drawn weights.
     *
     * @param tokenizer the directory that {@link BytePairTraining} wrote
     * @param size the model's size
     * @param seed of the first weights
     * @param threads of PyTorch within one operation; with more than one, sums may differ in their last bits between runs
     * @throws InvalidModelException where the tokenizer or PyTorch is missing
     */
    public static Gpt2Trainer create(Path tokenizer, Size size, long seed, int threads) {
        return new Gpt2Trainer(tokenizer, size, threads, shapes -> drawn(shapes, size, seed));
    }

    /**
     * Goes on where {@link #save} was called.
     *
     * @param tokenizer the directory that {@link BytePairTraining} wrote
     * @param size the model's size
     * @param checkpoint the file that was saved
     * @param threads of PyTorch within one operation
     * @throws InvalidModelException where the file is damaged or of another model
     */
    public static Gpt2Trainer resume(Path tokenizer, Size size, Path checkpoint, int threads) {
        Safetensors file = Safetensors.open(checkpoint);
        Gpt2Trainer trainer = new Gpt2Trainer(tokenizer, size, threads, shapes -> {
            shapes.forEach((name, shape) -> {
                if (!file.tensor(name).hasShape(shape)) {
                    throw new InvalidModelException(checkpoint + ": tensor " + name + " is "
                            + Arrays.toString(file.tensor(name).shape()) + ", not " + Arrays.toString(shape)
                            + ": go on with the size and the tokenizer it was saved with");
                }
            });
            return name -> file.tensor(name).floats();
        });
        trainer.state.readMoments(name -> file.tensor(name).floats(), FIRST_MOMENT, SECOND_MOMENT);
        trainer.steps = (int) file.tensor(STEPS).floats()[0];
        trainer.seconds = file.tensor(SECONDS).floats()[0];
        return trainer;
    }

    /** {@return the ids of a text and the end of text behind them} */
    public int[] encode(String text) {
        int[] ids = tokenizer.encode(text);
        int[] ended = Arrays.copyOf(ids, ids.length + 1);
        ended[ids.length] = end;
        return ended;
    }

    /**
     * {@return the mean loss per token, in nats, before the step} Takes one step.
     *
     * @param texts ids as of {@link #encode}, each within the context
     * @param learningRate how far to go
     * @throws IllegalStateException where the loss is not finite: the learning rate is too high; the weights stay
     */
    public double step(List<int[]> texts, double learningRate) {
        double loss = state.accumulate(batch(texts));
        if (!Double.isFinite(loss)) {
            throw new IllegalStateException(
                    "the loss of step " + (steps + 1) + " is " + loss + ": lower the learning rate");
        }
        steps++;
        double firstShare = 1 - Math.pow(FIRST_MOMENT_DECAY, steps);
        double secondShare = 1 - Math.pow(SECOND_MOMENT_DECAY, steps);
        state.update(
                GRADIENT_NORM_LIMIT,
                FIRST_MOMENT_DECAY,
                SECOND_MOMENT_DECAY,
                1 - learningRate * WEIGHT_DECAY,
                secondShare,
                -learningRate / firstShare);
        return loss;
    }

    /** {@return the mean loss per token, in nats} Learns nothing. */
    public double loss(List<int[]> texts) {
        return state.loss(batch(texts));
    }

    /** {@return steps taken, those before a {@link #resume} included} */
    public int steps() {
        return steps;
    }

    /** {@return the seconds that were given to the {@link #save} it went on from, else 0} */
    public double seconds() {
        return seconds;
    }

    /** {@return how many numbers are learned} */
    public long parameters() {
        return config.parameters();
    }

    /**
     * Writes weights (fp32, under the names of a GPT-2 checkpoint) and the state of the optimiser to one file, at once or
     * not at all.
     *
     * @param checkpoint where to
     * @param elapsed seconds spent so far, for {@link #seconds}
     */
    public void save(Path checkpoint, double elapsed) {
        SafetensorsWriter file = new SafetensorsWriter(false);
        state.addWeights(file, "");
        state.addMoments(file, FIRST_MOMENT, SECOND_MOMENT);
        file.add(STEPS, new float[] {steps}, 1);
        file.add(SECONDS, new float[] {(float) elapsed}, 1);
        file.write(checkpoint);
    }

    /**
     * Writes {@code model.safetensors} (fp16), {@code config.json} and {@code generation_config.json} into a directory that
     * Hugging Face transformers and {@link Gpt2Backend} load, once the tokenizer's files are there, too.
     */
    public void export(Path directory) {
        SafetensorsWriter file = new SafetensorsWriter(true);
        state.addWeights(file, "transformer.");
        file.write(directory.resolve("model.safetensors"));
        ObjectNode json = JSON.createObjectNode();
        json.putArray("architectures").add("GPT2LMHeadModel");
        json.put("model_type", "gpt2").put("activation_function", "gelu_new");
        json.put("n_layer", config.layers()).put("n_embd", config.width()).put("n_head", config.heads());
        json.put("n_positions", config.contextLength()).put("n_ctx", config.contextLength());
        json.put("vocab_size", config.vocabularySize()).put("layer_norm_epsilon", 1e-5);
        json.put("bos_token_id", end).put("eos_token_id", end);
        json.put("tie_word_embeddings", true).put("torch_dtype", "float16");
        ObjectNode generation = JSON.createObjectNode();
        generation.put("bos_token_id", end).put("eos_token_id", end).put("pad_token_id", end);
        try {
            Files.writeString(directory.resolve("config.json"), json.toPrettyString() + "\n");
            Files.writeString(directory.resolve("generation_config.json"), generation.toPrettyString() + "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Frees the native memory. */
    @Override
    public void close() {
        state.close();
        tokenizer.close();
    }

    /** {@return the logits behind the last of these ids} */
    float[] logits(int[] ids) {
        float[] all = state.logits(ids);
        return Arrays.copyOfRange(all, all.length - config.vocabularySize(), all.length);
    }

    int managedArrays() {
        return state.managedArrays();
    }

    private TrainingState.Batch batch(List<int[]> texts) {
        int length = texts.stream().mapToInt(ids -> ids.length - 1).max().orElse(0);
        if (length < 1 || length > config.contextLength()) {
            throw new IllegalArgumentException(
                    "texts has ids for " + length + " predictions; the context holds 1 to " + config.contextLength());
        }
        long[] ids = new long[texts.size() * length];
        long[] targets = new long[ids.length];
        Arrays.fill(targets, TrainingSource.NO_TARGET);
        for (int row = 0; row < texts.size(); row++) {
            int[] text = texts.get(row);
            for (int i = 0; i + 1 < text.length; i++) {
                ids[row * length + i] = text[i];
                targets[row * length + i] = text[i + 1];
            }
        }
        return new TrainingState.Batch(ids, targets, texts.size(), length);
    }

    /** The tensors under GPT-2's names, in the order of {@link TrainingSource}. */
    private static Map<String, long[]> shapes(Gpt2Config config) {
        long width = config.width();
        Map<String, long[]> shapes = new LinkedHashMap<>();
        shapes.put("wte.weight", new long[] {config.vocabularySize(), width});
        shapes.put("wpe.weight", new long[] {config.contextLength(), width});
        shapes.put("ln_f.weight", new long[] {width});
        shapes.put("ln_f.bias", new long[] {width});
        for (int layer = 0; layer < config.layers(); layer++) {
            String prefix = "h." + layer + ".";
            add(shapes, prefix + "ln_1", width);
            add(shapes, prefix + "attn.c_attn", width, 3 * width);
            add(shapes, prefix + "attn.c_proj", width, width);
            add(shapes, prefix + "ln_2", width);
            add(shapes, prefix + "mlp.c_fc", width, 4 * width);
            add(shapes, prefix + "mlp.c_proj", 4 * width, width);
        }
        return shapes;
    }

    private static void add(Map<String, long[]> shapes, String name, long... shape) {
        shapes.put(name + ".weight", shape);
        shapes.put(name + ".bias", new long[] {shape[shape.length - 1]});
    }

    /** Gains of 1, biases of 0; matrices as wide as their input asks for, and narrower where layers add up. */
    private static Function<String, float[]> drawn(Map<String, long[]> shapes, Size size, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        Map<String, float[]> values = new LinkedHashMap<>();
        shapes.forEach((name, shape) -> {
            float[] numbers = new float[(int) Arrays.stream(shape).reduce(1, Math::multiplyExact)];
            if (shape.length == 1) {
                Arrays.fill(numbers, name.matches(".*ln_.*weight") ? 1 : 0);
            } else {
                double deviation = name.startsWith("w") ? EMBEDDING_DEVIATION : Math.sqrt(1.0 / (3 * shape[0]));
                double scale = name.endsWith("c_proj.weight") ? deviation / Math.sqrt(2.0 * size.layers()) : deviation;
                for (int i = 0; i < numbers.length; i++) {
                    numbers[i] = (float) (random.nextGaussian() * scale);
                }
            }
            values.put(name, numbers);
        });
        return name -> {
            float[] numbers = values.get(name);
            if (numbers == null) {
                throw new IllegalArgumentException("no tensor " + name);
            }
            return numbers;
        };
    }
}
