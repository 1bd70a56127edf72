/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;

/** One tensor of a checkpoint: its name, type, shape and little-endian bytes. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Tensor(String file, String name, String type, long[] shape, ByteBuffer bytes) {
    int elements() {
        return (int) Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    boolean hasShape(long... expected) {
        return Arrays.equals(shape, expected);
    }

    /** {@return the elements on the Java heap, widened to fp32} */
    float[] floats() {
        float[] values = new float[elements()];
        widenInto(FloatBuffer.wrap(values));
        return values;
    }

    /** {@return the elements as fp32 outside of the Java heap: the mapped file itself where that is possible} */
    ByteBuffer direct() {
        ByteBuffer source = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        boolean usableAsIs = type.equals("F32")
                && source.isDirect()
                && ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN
                && source.alignmentOffset(0, Float.BYTES) == 0;
        if (usableAsIs) {
            return source;
        }
        ByteBuffer target = ByteBuffer.allocateDirect(Math.multiplyExact(elements(), Float.BYTES))
                .order(ByteOrder.nativeOrder());
        widenInto(target.asFloatBuffer());
        return target;
    }

    private void widenInto(FloatBuffer target) {
        ByteBuffer source = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        switch (type) {
            case "F32" -> target.put(source.asFloatBuffer());
            case "F16" -> {
                while (source.hasRemaining()) {
                    target.put(halfToFloat(source.getShort()));
                }
            }
            case "BF16" -> {
                while (source.hasRemaining()) {
                    target.put(Float.intBitsToFloat(source.getShort() << 16));
                }
            }
            default ->
                throw new InvalidModelException(file + ": tensor " + name + " has dtype " + type
                        + "; weights must be F32, F16 or BF16: save the model in one of these");
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
