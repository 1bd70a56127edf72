/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;

/** Collects tensors and writes them as one file in the safetensors format, at once or not at all. Not thread-safe. */
final class SafetensorsWriter {
    private static final int ALIGNMENT = 8;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final ObjectNode header = JSON.createObjectNode();
    private final Map<String, byte[]> contents = new LinkedHashMap<>();
    private final boolean half;
    private long end;

    /**
     * A writer.
     *
     * @param half whether numbers are rounded to fp16
     */
    SafetensorsWriter(boolean half) {
        this.half = half;
        header.putObject("__metadata__").put("format", "pt");
    }

    void add(String name, float[] values, long... shape) {
        ByteBuffer bytes =
                ByteBuffer.allocate(values.length * (half ? 2 : Float.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            if (half) {
                bytes.putShort(floatToHalf(value));
            } else {
                bytes.putFloat(value);
            }
        }
        contents.put(name, bytes.array());
        ObjectNode entry = header.putObject(name);
        entry.put("dtype", half ? "F16" : "F32");
        entry.set("shape", JSON.valueToTree(shape));
        entry.putArray("data_offsets").add(end).add(end + bytes.capacity());
        end += bytes.capacity();
    }

    /** Writes a file beside the target and moves it there: who reads finds the old one or the new one. */
    void write(Path target) {
        Path part = target.resolveSibling(target.getFileName() + ".part");
        try {
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(part))) {
                byte[] json = JSON.writeValueAsBytes(header);
                String padding = " ".repeat((ALIGNMENT - json.length % ALIGNMENT) % ALIGNMENT);
                out.write(ByteBuffer.allocate(Long.BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(json.length + padding.length())
                        .array());
                out.write(json);
                out.write(padding.getBytes(StandardCharsets.US_ASCII));
                for (byte[] content : contents.values()) {
                    out.write(content);
                }
            }
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(target + " cannot be written", e);
        }
    }

    /** IEEE 754 binary32 to the nearest binary16, ties to even. The JDK's own conversion came with Java 20. */
    static short floatToHalf(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = bits >>> 16 & 0x8000;
        float magnitude = Math.abs(value);
        if (Float.isNaN(value)) {
            return (short) (sign | 0x7e00);
        }
        if (magnitude >= 65_520f) {
            return (short) (sign | 0x7c00);
        }
        if (magnitude < 0x1p-14f) {
            return (short) (sign | (int) Math.rint(magnitude * 0x1p24));
        }
        int rounded = (bits & 0x7fffffff) + 0xfff + (bits >>> 13 & 1);
        return (short) (sign | (rounded - (112 << 23)) >>> 13);
    }
}
