/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.util.Arrays;

/**
 * One tensor of a checkpoint: its name, type and shape, and where its little-endian bytes are. Nothing is read before it
 * is asked for, and nothing stays mapped: who replaces the file of a loaded model harms nobody.
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Tensor(String file, String name, String type, long[] shape, Content content) {
    private static final int CHUNK_BYTES = 1 << 20;

    /** The bytes of a tensor. */
    @FunctionalInterface
    interface Content {
        /** Fills the buffer with the bytes that begin at this one. */
        void read(long from, ByteBuffer into) throws IOException;
    }

    int elements() {
        return (int) Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    boolean hasShape(long... expected) {
        return Arrays.equals(shape, expected);
    }

    /** {@return the elements on the Java heap, widened to fp32} */
    float[] floats() {
        float[] values = new float[elements()];
        readInto(FloatBuffer.wrap(values));
        return values;
    }

    /** {@return the rows of a matrix on the Java heap, widened to fp32} */
    float[][] rows() {
        float[] values = floats();
        int width = Math.toIntExact(shape[1]);
        float[][] rows = new float[Math.toIntExact(shape[0])][];
        for (int row = 0; row < rows.length; row++) {
            rows[row] = Arrays.copyOfRange(values, row * width, (row + 1) * width);
        }
        return rows;
    }

    /** Writes all elements, widened to fp32. */
    void readInto(FloatBuffer target) {
        int width = width();
        ByteBuffer chunk = chunk();
        long bytes = (long) elements() * width;
        for (long from = 0; from < bytes; from += chunk.limit()) {
            read(from, bytes, chunk);
            switch (type) {
                case "F32" -> target.put(chunk.asFloatBuffer());
                case "F16" -> widenHalf(chunk.asShortBuffer(), target);
                default -> widenBrain(chunk.asShortBuffer(), target);
            }
        }
    }

    /** {@return whether both tensors hold the same bytes as the same type} */
    boolean sameAs(Tensor other) {
        if (!type.equals(other.type) || !Arrays.equals(shape, other.shape)) {
            return false;
        }
        ByteBuffer mine = chunk();
        ByteBuffer theirs = chunk();
        long bytes = (long) elements() * width();
        for (long from = 0; from < bytes; from += mine.limit()) {
            read(from, bytes, mine);
            other.read(from, bytes, theirs);
            if (!mine.equals(theirs)) {
                return false;
            }
        }
        return true;
    }

    private void read(long from, long bytes, ByteBuffer chunk) {
        chunk.clear().limit((int) Math.min(chunk.capacity(), bytes - from));
        try {
            content.read(from, chunk);
        } catch (IOException e) {
            throw new InvalidModelException(file + ": tensor " + name + " cannot be read: " + e.getMessage(), e);
        }
        chunk.flip();
    }

    private ByteBuffer chunk() {
        return ByteBuffer.allocate(CHUNK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }

    private int width() {
        return switch (type) {
            case "F32" -> Float.BYTES;
            case "F16", "BF16" -> Short.BYTES;
            default ->
                throw new InvalidModelException(file + ": tensor " + name + " has dtype " + type
                        + "; weights must be F32, F16 or BF16: save the model in one of these");
        };
    }

    private static void widenHalf(ShortBuffer source, FloatBuffer target) {
        while (source.hasRemaining()) {
            target.put(halfToFloat(source.get()));
        }
    }

    private static void widenBrain(ShortBuffer source, FloatBuffer target) {
        while (source.hasRemaining()) {
            target.put(Float.intBitsToFloat(source.get() << 16));
        }
    }

    /** IEEE 754 binary16 to binary32; exact. The JDK's own conversion came with Java 20. */
    static float halfToFloat(short half) {
        int sign = (half & 0x8000) << 16;
        int exponent = (half >> 10) & 0x1f;
        int fraction = half & 0x3ff;
        if (exponent == 0x1f) {
            return Float.intBitsToFloat(sign | 0x7f800000 | fraction << 13);
        }
        if (exponent != 0) {
            return Float.intBitsToFloat(sign | (exponent + 112) << 23 | fraction << 13);
        }
        float subnormal = fraction * 0x1p-24f;
        return sign == 0 ? subnormal : -subnormal;
    }
}
