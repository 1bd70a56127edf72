/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes a model's weights as fp32 in the form llama.cpp reads, to compare with it: matrices [out, in]. The tokenizer is a
 * stand-in whose first 256 tokens are the bytes; texts of other tokens mean nothing.
 *
 * @see <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">GGUF</a>
 */
final class GgufWriter {
    private static final int VERSION = 3;
    private static final int ALIGNMENT = 32;
    private static final int BYTES = 256;
    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int STRING = 8;
    private static final int ARRAY = 9;
    private static final int NORMAL_TOKEN = 1;
    private static final int CHUNK_FLOATS = 1 << 18;

    private static final Map<String, String> OUTER = Map.of(
            "wte.weight", "token_embd.weight",
            "wpe.weight", "position_embd.weight",
            "ln_f.weight", "output_norm.weight",
            "ln_f.bias", "output_norm.bias");
    private static final Map<String, String> INNER = Map.of(
            "ln_1", "attn_norm",
            "attn.c_attn", "attn_qkv",
            "attn.c_proj", "attn_output",
            "ln_2", "ffn_norm",
            "mlp.c_fc", "ffn_up",
            "mlp.c_proj", "ffn_down");

    private final OutputStream out;
    private long written;

    private GgufWriter(OutputStream out) {
        this.out = out;
    }

    /** Writes a model. */
    static void write(Gpt2Config config, Checkpoint checkpoint, OutputStream out) throws IOException {
        GgufWriter writer = new GgufWriter(out);
        Map<String, Content> contents = contents(config, checkpoint);
        writer.begin(config, contents);
        for (Content content : contents.values()) {
            writer.pad();
            writer.put(content.values());
        }
    }

    /** A tensor, and whether it is written turned over. */
    private record Content(Tensor tensor, boolean turned) {
        /** {@return the dimensions, the one along which memory runs first} */
        long[] dimensions() {
            long[] shape = tensor.shape();
            return shape.length == 1 || turned ? shape : new long[] {shape[1], shape[0]};
        }

        float[] values() {
            float[] values = tensor.floats();
            if (!turned) {
                return values;
            }
            int rows = (int) tensor.shape()[0];
            int columns = (int) tensor.shape()[1];
            float[] other = new float[values.length];
            for (int row = 0; row < rows; row++) {
                for (int column = 0; column < columns; column++) {
                    other[column * rows + row] = values[row * columns + column];
                }
            }
            return other;
        }
    }

    private static Map<String, Content> contents(Gpt2Config config, Checkpoint checkpoint) {
        Map<String, Content> contents = new LinkedHashMap<>();
        OUTER.forEach((from, to) -> contents.put(to, new Content(checkpoint.tensor(from), false)));
        contents.put("output.weight", new Content(checkpoint.output(), false));
        for (int layer = 0; layer < config.layers(); layer++) {
            for (Map.Entry<String, String> name : INNER.entrySet()) {
                for (String part : List.of(".weight", ".bias")) {
                    Tensor tensor = checkpoint.tensor("h." + layer + "." + name.getKey() + part);
                    contents.put("blk." + layer + "." + name.getValue() + part, new Content(tensor, true));
                }
            }
        }
        contents.replaceAll((name, content) -> new Content(
                content.tensor(), content.turned() && content.tensor().shape().length == 2));
        return contents;
    }

    private void begin(Gpt2Config config, Map<String, Content> contents) throws IOException {
        out.write("GGUF".getBytes(StandardCharsets.US_ASCII));
        written += 4;
        number(VERSION);
        number((long) contents.size());
        number(14L);
        key("general.architecture", STRING);
        text("gpt2");
        key("general.name", STRING);
        text("gpt2");
        number("gpt2.context_length", config.contextLength());
        number("gpt2.embedding_length", config.width());
        number("gpt2.feed_forward_length", config.innerWidth());
        number("gpt2.block_count", config.layers());
        number("gpt2.attention.head_count", config.heads());
        key("gpt2.attention.layer_norm_epsilon", FLOAT32);
        number(Float.floatToIntBits(config.epsilon()));
        key("tokenizer.ggml.model", STRING);
        text("gpt2");
        key("tokenizer.ggml.pre", STRING);
        text("gpt-2");
        List<String> tokens = tokens(config.vocabularySize());
        texts("tokenizer.ggml.tokens", tokens);
        key("tokenizer.ggml.token_type", ARRAY);
        number(INT32);
        number((long) tokens.size());
        for (int i = 0; i < tokens.size(); i++) {
            number(NORMAL_TOKEN);
        }
        texts("tokenizer.ggml.merges", List.of(tokens.get(0) + " " + tokens.get(1)));
        number("tokenizer.ggml.eos_token_id", config.vocabularySize() - 1);
        long offset = 0;
        for (Map.Entry<String, Content> entry : contents.entrySet()) {
            long[] dimensions = entry.getValue().dimensions();
            text(entry.getKey());
            number(dimensions.length);
            for (long dimension : dimensions) {
                number(dimension);
            }
            number(0);
            number(offset);
            long bytes = (long) Float.BYTES * entry.getValue().tensor().elements();
            offset += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }
    }

    /** Bytes as GPT-2 spells them, one merge of two of them, and names for all others. */
    private static List<String> tokens(int count) {
        List<String> tokens = new ArrayList<>();
        int next = BYTES;
        for (int value = 0; value < BYTES; value++) {
            boolean visible = (value >= '!' && value <= '~') || (value >= 0xa1 && value != 0xad);
            tokens.add(Character.toString(visible ? value : next++));
        }
        tokens.add(tokens.get(0) + tokens.get(1));
        for (int id = tokens.size(); id < count; id++) {
            tokens.add("<" + id + ">");
        }
        return Collections.unmodifiableList(tokens);
    }

    private void number(String key, int value) throws IOException {
        key(key, UINT32);
        number(value);
    }

    private void texts(String key, List<String> values) throws IOException {
        key(key, ARRAY);
        number(STRING);
        number((long) values.size());
        for (String value : values) {
            text(value);
        }
    }

    private void key(String name, int type) throws IOException {
        text(name);
        number(type);
    }

    private void text(String value) throws IOException {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        number((long) bytes.length);
        out.write(bytes);
        written += bytes.length;
    }

    private void number(int value) throws IOException {
        out.write(buffer(Integer.BYTES).putInt(value).array());
        written += Integer.BYTES;
    }

    private void number(long value) throws IOException {
        out.write(buffer(Long.BYTES).putLong(value).array());
        written += Long.BYTES;
    }

    private void put(float[] values) throws IOException {
        byte[] chunk = new byte[Float.BYTES * CHUNK_FLOATS];
        FloatBuffer floats =
                ByteBuffer.wrap(chunk).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
        for (int from = 0; from < values.length; from += CHUNK_FLOATS) {
            int count = Math.min(CHUNK_FLOATS, values.length - from);
            floats.clear().put(values, from, count);
            out.write(chunk, 0, Float.BYTES * count);
        }
        written += (long) Float.BYTES * values.length;
    }

    private void pad() throws IOException {
        int bytes = (int) ((ALIGNMENT - written % ALIGNMENT) % ALIGNMENT);
        out.write(new byte[bytes]);
        written += bytes;
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
