/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.console.Failure;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/** A directory with a model of GPT-2's smallest shape, its weights drawn from a seed: for measuring, not for reading. */
final class DrawnModel implements AutoCloseable {
    static final int VOCABULARY = 50_257;
    static final int CONTEXT = 1_024;
    private static final int WIDTH = 768;
    private static final int LAYERS = 12;
    private static final int HEADS = 12;
    private static final int CHUNK = 1 << 14;
    private static final float SPREAD = 0.02f;
    private static final int BYTES = 256;

    private final Path directory;

    private DrawnModel(Path directory) {
        this.directory = directory;
    }

    static DrawnModel write() {
        try {
            DrawnModel model = new DrawnModel(Files.createTempDirectory("gpt2-124m"));
            model.writeFiles();
            return model;
        } catch (IOException e) {
            throw new Failure("cannot write a model of 500 MB: " + e.getMessage(), e);
        }
    }

    Path directory() {
        return directory;
    }

    private void writeFiles() throws IOException {
        Files.writeString(
                directory.resolve("config.json"),
                "{\"model_type\":\"gpt2\",\"vocab_size\":" + VOCABULARY + ",\"n_positions\":" + CONTEXT + ",\"n_embd\":"
                        + WIDTH + ",\"n_layer\":" + LAYERS + ",\"n_head\":" + HEADS + "}");
        StringBuilder vocabulary = new StringBuilder("{");
        for (int value = 0; value < BYTES; value++) {
            vocabulary.append(String.format("\"\\u%04x\":%d,", (int) symbol(value), value));
        }
        for (int id = BYTES; id < VOCABULARY - 1; id++) {
            vocabulary.append("\"x").append(id).append("\":").append(id).append(',');
        }
        Files.writeString(
                directory.resolve("vocab.json"),
                vocabulary.append("\"<|endoftext|>\":").append(VOCABULARY - 1).append('}'));
        Files.writeString(directory.resolve("merges.txt"), "#version: 0.2\n");
        List<Tensor> tensors = tensors();
        try (OutputStream out =
                new BufferedOutputStream(Files.newOutputStream(directory.resolve("model.safetensors")), CHUNK)) {
            byte[] header = header(tensors);
            out.write(ByteBuffer.allocate(Long.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(header.length)
                    .array());
            out.write(header);
            SplittableRandom random = new SplittableRandom(1);
            for (Tensor tensor : tensors) {
                draw(out, tensor, random);
            }
        }
    }

    /** The letter that GPT-2's vocabulary writes for a byte: itself where it can be printed, else one beyond Latin-1. */
    private static char symbol(int value) {
        int beyond = BYTES;
        for (int other = 0; other <= value; other++) {
            boolean printed = (other > ' ' && other <= '~') || (other >= 0xA1 && other != 0xAD);
            if (other == value) {
                return (char) (printed ? value : beyond);
            }
            beyond += printed ? 0 : 1;
        }
        throw new AssertionError(value);
    }

    private static List<Tensor> tensors() {
        List<Tensor> tensors = new ArrayList<>();
        tensors.add(new Tensor("wte.weight", VOCABULARY, WIDTH));
        tensors.add(new Tensor("wpe.weight", CONTEXT, WIDTH));
        for (int layer = 0; layer < LAYERS; layer++) {
            String prefix = "h." + layer + ".";
            norm(tensors, prefix + "ln_1");
            linear(tensors, prefix + "attn.c_attn", WIDTH, 3 * WIDTH);
            linear(tensors, prefix + "attn.c_proj", WIDTH, WIDTH);
            norm(tensors, prefix + "ln_2");
            linear(tensors, prefix + "mlp.c_fc", WIDTH, 4 * WIDTH);
            linear(tensors, prefix + "mlp.c_proj", 4 * WIDTH, WIDTH);
        }
        norm(tensors, "ln_f");
        return tensors;
    }

    private static void norm(List<Tensor> tensors, String name) {
        tensors.add(new Tensor(name + ".weight", WIDTH));
        tensors.add(new Tensor(name + ".bias", WIDTH));
    }

    private static void linear(List<Tensor> tensors, String name, int from, int to) {
        tensors.add(new Tensor(name + ".weight", from, to));
        tensors.add(new Tensor(name + ".bias", to));
    }

    private static byte[] header(List<Tensor> tensors) {
        StringBuilder json = new StringBuilder("{");
        long at = 0;
        for (Tensor tensor : tensors) {
            long end = at + Float.BYTES * tensor.size();
            json.append(json.length() == 1 ? "" : ",")
                    .append('"')
                    .append(tensor.name())
                    .append("\":{\"dtype\":\"F32\",\"shape\":")
                    .append(tensor.shape())
                    .append(",\"data_offsets\":[")
                    .append(at)
                    .append(',')
                    .append(end)
                    .append("]}");
            at = end;
        }
        json.append('}');
        while (json.length() % Long.BYTES != 0) {
            json.append(' ');
        }
        return json.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** Norms scale by one; the rest is small and even. */
    private static void draw(OutputStream out, Tensor tensor, SplittableRandom random) throws IOException {
        boolean one = tensor.name().contains("ln_") && tensor.name().endsWith("weight");
        ByteBuffer buffer = ByteBuffer.allocate(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
        for (long left = tensor.size(); left > 0; left--) {
            buffer.putFloat(one ? 1 : SPREAD * (float) (2 * random.nextDouble() - 1));
            if (!buffer.hasRemaining() || left == 1) {
                out.write(buffer.array(), 0, buffer.position());
                buffer.clear();
            }
        }
    }

    @Override
    public void close() {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
            Files.delete(directory);
        } catch (IOException e) {
            throw new Failure("cannot delete " + directory + ": " + e.getMessage(), e);
        }
    }

    private record Tensor(String name, List<Integer> shape) {
        Tensor(String name, Integer... shape) {
            this(name, List.of(shape));
        }

        long size() {
            return shape.stream().mapToLong(Integer::longValue).reduce(1, (a, b) -> a * b);
        }
    }
}
