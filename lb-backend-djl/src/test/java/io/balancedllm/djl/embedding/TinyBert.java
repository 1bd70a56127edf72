/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl.embedding;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;

/** A BERT of two layers with drawn weights: as files, and written out in loops over doubles, after the paper. */
final class TinyBert {
    static final int WIDTH = 8;

    private static final int HEADS = 2;
    private static final int LAYERS = 2;
    private static final int INNER = 16;
    private static final int WORDS = 10;
    private static final int POSITIONS = 12;
    private static final double EPSILON = 1e-12;
    private static final int UNKNOWN = 1;
    private static final int CLS = 2;
    private static final int SEP = 3;
    private static final int FIRST_WORD = 4;

    private final Map<String, int[]> shapes = new LinkedHashMap<>();
    private final Map<String, float[]> tensors = new LinkedHashMap<>();

    TinyBert(long seed) {
        Random random = new Random(seed);
        draw(random, "embeddings.word_embeddings.weight", WORDS, WIDTH);
        draw(random, "embeddings.position_embeddings.weight", POSITIONS, WIDTH);
        draw(random, "embeddings.token_type_embeddings.weight", 2, WIDTH);
        norm(random, "embeddings.LayerNorm");
        for (int layer = 0; layer < LAYERS; layer++) {
            String name = "encoder.layer." + layer + ".";
            linear(random, name + "attention.self.query", WIDTH, WIDTH);
            linear(random, name + "attention.self.key", WIDTH, WIDTH);
            linear(random, name + "attention.self.value", WIDTH, WIDTH);
            linear(random, name + "attention.output.dense", WIDTH, WIDTH);
            norm(random, name + "attention.output.LayerNorm");
            linear(random, name + "intermediate.dense", INNER, WIDTH);
            linear(random, name + "output.dense", WIDTH, INNER);
            norm(random, name + "output.LayerNorm");
        }
    }

    private void linear(Random random, String name, int out, int in) {
        draw(random, name + ".weight", out, in);
        draw(random, name + ".bias", out);
    }

    private void norm(Random random, String name) {
        draw(random, name + ".weight", WIDTH);
        draw(random, name + ".bias", WIDTH);
    }

    private void draw(Random random, String name, int... shape) {
        int size = 1;
        for (int each : shape) {
            size *= each;
        }
        float[] values = new float[size];
        for (int i = 0; i < size; i++) {
            values[i] = (float) random.nextGaussian();
        }
        shapes.put(name, shape);
        tensors.put(name, values);
    }

    /** Writes the files of a sentence-transformers directory that matter. */
    void write(Path folder) throws IOException {
        Files.writeString(
                folder.resolve("config.json"),
                "{\"model_type\":\"bert\",\"hidden_act\":\"gelu\",\"position_embedding_type\":\"absolute\",\"hidden_size\":"
                        + WIDTH + ",\"num_attention_heads\":" + HEADS + ",\"num_hidden_layers\":" + LAYERS
                        + ",\"intermediate_size\":" + INNER + ",\"max_position_embeddings\":" + POSITIONS
                        + ",\"layer_norm_eps\":1e-12}");
        StringBuilder words = new StringBuilder("\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3");
        for (int word = 1; word <= WORDS - FIRST_WORD; word++) {
            words.append(",\"w").append(word).append("\":").append(FIRST_WORD + word - 1);
        }
        Files.writeString(folder.resolve("tokenizer.json"), """
                {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
                 "normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"decoder":null,
                 "post_processor":{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]},
                 "model":{"type":"WordLevel","unk_token":"[UNK]","vocab":{WORDS}}}
                """.replace("WORDS", words));
        Files.write(folder.resolve("model.safetensors"), safetensors());
    }

    private byte[] safetensors() throws IOException {
        StringBuilder header = new StringBuilder("{");
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        for (Map.Entry<String, float[]> tensor : tensors.entrySet()) {
            int[] shape = Objects.requireNonNull(shapes.get(tensor.getKey()));
            int start = data.size();
            ByteBuffer bytes =
                    ByteBuffer.allocate(Float.BYTES * tensor.getValue().length).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(tensor.getValue());
            data.write(bytes.array());
            header.append(header.length() > 1 ? "," : "")
                    .append('"')
                    .append(tensor.getKey())
                    .append("\":{\"dtype\":\"F32\",\"shape\":[")
                    .append(shape[0])
                    .append(shape.length > 1 ? "," + shape[1] : "")
                    .append("],\"data_offsets\":[")
                    .append(start)
                    .append(',')
                    .append(data.size())
                    .append("]}");
        }
        byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer file =
                ByteBuffer.allocate(Long.BYTES + json.length + data.size()).order(ByteOrder.LITTLE_ENDIAN);
        return file.putLong(json.length).put(json).put(data.toByteArray()).array();
    }

    int[] tokens(String text) {
        String[] words = text.split(" ", -1);
        int[] tokens = new int[words.length + 2];
        tokens[0] = CLS;
        for (int i = 0; i < words.length; i++) {
            tokens[i + 1] = words[i].matches("w[1-6]") ? FIRST_WORD - 1 + words[i].charAt(1) - '0' : UNKNOWN;
        }
        tokens[words.length + 1] = SEP;
        return tokens;
    }

    double[] mean(int[] tokens) {
        double[] mean = new double[WIDTH];
        for (double[] row : encode(tokens)) {
            for (int i = 0; i < WIDTH; i++) {
                mean[i] += row[i] / tokens.length;
            }
        }
        return mean;
    }

    /** {@return the last hidden state, a row for each token} */
    double[][] encode(int[] tokens) {
        double[][] x = new double[tokens.length][WIDTH];
        for (int t = 0; t < tokens.length; t++) {
            for (int i = 0; i < WIDTH; i++) {
                x[t][i] = at("embeddings.word_embeddings.weight", tokens[t] * WIDTH + i)
                        + at("embeddings.position_embeddings.weight", t * WIDTH + i)
                        + at("embeddings.token_type_embeddings.weight", i);
            }
        }
        x = norm(x, "embeddings.LayerNorm");
        for (int layer = 0; layer < LAYERS; layer++) {
            String name = "encoder.layer." + layer + ".";
            double[][] attended = linear(attend(x, name + "attention.self."), name + "attention.output.dense", WIDTH);
            double[][] y = norm(sum(x, attended), name + "attention.output.LayerNorm");
            double[][] inner = linear(y, name + "intermediate.dense", INNER);
            for (double[] row : inner) {
                for (int i = 0; i < INNER; i++) {
                    row[i] = row[i] / 2 * (1 + erf(row[i] / Math.sqrt(2)));
                }
            }
            x = norm(sum(y, linear(inner, name + "output.dense", WIDTH)), name + "output.LayerNorm");
        }
        return x;
    }

    private double[][] attend(double[][] x, String name) {
        double[][] queries = linear(x, name + "query", WIDTH);
        double[][] keys = linear(x, name + "key", WIDTH);
        double[][] values = linear(x, name + "value", WIDTH);
        int size = WIDTH / HEADS;
        double[][] out = new double[x.length][WIDTH];
        for (int from = 0; from < WIDTH; from += size) {
            for (int t = 0; t < x.length; t++) {
                double[] weights = new double[x.length];
                double total = 0;
                for (int other = 0; other < x.length; other++) {
                    double product = 0;
                    for (int i = from; i < from + size; i++) {
                        product += queries[t][i] * keys[other][i];
                    }
                    weights[other] = Math.exp(product / Math.sqrt(size));
                    total += weights[other];
                }
                for (int other = 0; other < x.length; other++) {
                    for (int i = from; i < from + size; i++) {
                        out[t][i] += weights[other] / total * values[other][i];
                    }
                }
            }
        }
        return out;
    }

    private double[][] linear(double[][] x, String name, int width) {
        double[][] out = new double[x.length][width];
        for (int t = 0; t < x.length; t++) {
            for (int o = 0; o < width; o++) {
                out[t][o] = at(name + ".bias", o);
                for (int i = 0; i < x[t].length; i++) {
                    out[t][o] += x[t][i] * at(name + ".weight", o * x[t].length + i);
                }
            }
        }
        return out;
    }

    private static double[][] sum(double[][] a, double[][] b) {
        double[][] sum = new double[a.length][WIDTH];
        for (int t = 0; t < a.length; t++) {
            for (int i = 0; i < WIDTH; i++) {
                sum[t][i] = a[t][i] + b[t][i];
            }
        }
        return sum;
    }

    private double[][] norm(double[][] x, String name) {
        double[][] out = new double[x.length][WIDTH];
        for (int t = 0; t < x.length; t++) {
            double mean = 0;
            double variance = 0;
            for (double value : x[t]) {
                mean += value / WIDTH;
            }
            for (double value : x[t]) {
                variance += (value - mean) * (value - mean) / WIDTH;
            }
            for (int i = 0; i < WIDTH; i++) {
                out[t][i] = (x[t][i] - mean) / Math.sqrt(variance + EPSILON) * at(name + ".weight", i)
                        + at(name + ".bias", i);
            }
        }
        return out;
    }

    private double at(String name, int index) {
        return Objects.requireNonNull(tensors.get(name))[index];
    }

    /** The series of the error function, to the last digit that matters here. */
    private static double erf(double x) {
        double term = x;
        double sum = x;
        for (int n = 1; n < 200; n++) {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }
        return Math.abs(x) > 5 ? Math.signum(x) : 2 / Math.sqrt(Math.PI) * sum;
    }
}
