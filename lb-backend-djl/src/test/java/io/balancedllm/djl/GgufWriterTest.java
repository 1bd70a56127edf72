/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GgufWriterTest {
    private static final Gpt2Config CONFIG =
            new Gpt2Config(300, 16, 8, 2, 2, 24, 1e-5f, Activation.GELU_TANH, true, false, true, Set.of());
    private static final Checkpoint CHECKPOINT = Checkpoint.drawn(CONFIG, 1, Checkpoint.INITIAL_DEVIATION);
    private static final int ALIGNMENT = 32;

    private final Map<String, Object> keys = new HashMap<>();
    private final List<Entry> entries = new ArrayList<>();
    private ByteBuffer file = ByteBuffer.allocate(0);
    private int data;

    @BeforeEach
    void writeAndReadTheHeader() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        GgufWriter.write(CONFIG, CHECKPOINT, out);
        file = ByteBuffer.wrap(out.toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(file.getInt()).isEqualTo(0x46554747);
        assertThat(file.getInt()).isEqualTo(3);
        long tensors = file.getLong();
        long pairs = file.getLong();
        for (long i = 0; i < pairs; i++) {
            keys.put(text(), value(file.getInt()));
        }
        for (long i = 0; i < tensors; i++) {
            String name = text();
            long[] shape = new long[file.getInt()];
            for (int j = 0; j < shape.length; j++) {
                shape[j] = file.getLong();
            }
            assertThat(file.getInt()).as("type of %s: F32", name).isZero();
            entries.add(new Entry(name, shape, file.getLong()));
        }
        data = (file.position() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    @Test
    void theShapeIsTold() {
        assertThat(keys)
                .containsEntry("general.architecture", "gpt2")
                .containsEntry("gpt2.context_length", 16)
                .containsEntry("gpt2.embedding_length", 8)
                .containsEntry("gpt2.feed_forward_length", 24)
                .containsEntry("gpt2.block_count", 2)
                .containsEntry("gpt2.attention.head_count", 2)
                .containsEntry("gpt2.attention.layer_norm_epsilon", 1e-5f);
    }

    @Test
    void eachTokenHasItsOwnTextAndBytesComeFirst() {
        List<?> tokens = list("tokenizer.ggml.tokens");
        assertThat(tokens).hasSize(300);
        assertThat(new HashSet<>(tokens)).hasSize(300);
        assertThat(tokens.get('a')).isEqualTo("a");
        assertThat(tokens.get(' ')).isEqualTo("Ġ");
        assertThat(list("tokenizer.ggml.token_type")).hasSize(300);
    }

    @Test
    void linearLayersAreTurnedOverAndTheEmbeddingIsNot() {
        Tensor inner = CHECKPOINT.tensor("h.1.mlp.c_fc.weight");
        assertThat(entry("blk.1.ffn_up.weight").dimensions()).containsExactly(8, 24);
        assertThat(values("blk.1.ffn_up.weight", 8)).containsExactly(column(inner, 0));
        assertThat(entry("token_embd.weight").dimensions()).containsExactly(8, 300);
        assertThat(values("token_embd.weight", 8))
                .containsExactly(CHECKPOINT.tensor("wte.weight").rows()[0]);
        assertThat(values("blk.0.attn_qkv.bias", 24))
                .containsExactly(CHECKPOINT.tensor("h.0.attn.c_attn.bias").floats());
    }

    @Test
    void tensorsAreAlignedAndEndWithTheFile() {
        assertThat(entries).hasSize(5 + 12 * 2).allMatch(entry -> entry.offset() % ALIGNMENT == 0);
        long end = 0;
        for (Entry entry : entries) {
            long elements = Arrays.stream(entry.dimensions()).reduce(1, Math::multiplyExact);
            end = Math.max(end, data + entry.offset() + Float.BYTES * elements);
        }
        assertThat(end).isEqualTo(file.capacity());
    }

    private Entry entry(String name) {
        return entries.stream()
                .filter(entry -> entry.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private List<?> list(String key) {
        return (List<?>) keys.getOrDefault(key, List.of());
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Entry(String name, long[] dimensions, long offset) {}

    private static float[] column(Tensor tensor, int column) {
        float[][] rows = tensor.rows();
        float[] values = new float[rows.length];
        for (int row = 0; row < rows.length; row++) {
            values[row] = rows[row][column];
        }
        return values;
    }

    private float[] values(String name, int count) {
        float[] values = new float[count];
        file.duplicate()
                .order(ByteOrder.LITTLE_ENDIAN)
                .position((int) (data + entry(name).offset()))
                .slice()
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(values);
        return values;
    }

    private Object value(int type) {
        return switch (type) {
            case 4, 5 -> file.getInt();
            case 6 -> file.getFloat();
            case 8 -> text();
            case 9 -> {
                int element = file.getInt();
                long count = file.getLong();
                List<Object> values = new ArrayList<>();
                for (long i = 0; i < count; i++) {
                    values.add(value(element));
                }
                yield values;
            }
            default -> throw new AssertionError("type " + type);
        };
    }

    private String text() {
        byte[] bytes = new byte[(int) file.getLong()];
        file.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
