/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsTest {
    private static final String GOOD = "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}";

    static Stream<Arguments> hostileHeaders() {
        return Stream.of(
                Arguments.of("not JSON", "{\"a\":", "not valid JSON"),
                Arguments.of("no object", "[1,2]", "not a JSON object"),
                Arguments.of("text behind", "{} {}", "after its header"),
                Arguments.of("tensor is no object", "{\"a\":3}", "tensor a is not described"),
                Arguments.of("duplicate tensor", "{\"a\":" + GOOD + ",\"a\":" + GOOD + "}", "tensor a twice"),
                Arguments.of("duplicate metadata", "{\"__metadata__\":{},\"__metadata__\":{}}", "twice"),
                Arguments.of("duplicate field", tensor("F32", "[2]", "[0,8],\"shape\":[2]"), "repeated"),
                Arguments.of("missing field", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "needs dtype"),
                Arguments.of("unknown field", tensor("F32", "[2]", "[0,8],\"x\":1"), "field x"),
                Arguments.of("deep nesting", "{\"__metadata__\":" + "[".repeat(100_000), "not valid JSON"),
                Arguments.of("unknown dtype", tensor("F31", "[2]", "[0,8]"), "unknown dtype F31"),
                Arguments.of("dtype is a number", tensor("F32", "[2]", "[0,8]").replace("\"F32\"", "3"), "dtype"),
                Arguments.of("negative dimension", tensor("F32", "[-2]", "[0,8]"), "negative"),
                Arguments.of("fractional dimension", tensor("F32", "[2.0]", "[0,8]"), "whole numbers"),
                Arguments.of("huge number", tensor("F32", "[99999999999999999999999]", "[0,8]"), "not valid JSON"),
                Arguments.of("overflowing shape", tensor("F32", "[4294967296,4294967296]", "[0,8]"), "needs another"),
                Arguments.of("too many dimensions", tensor("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), "short array"),
                Arguments.of("negative offset", tensor("F32", "[2]", "[-8,0]"), "negative"),
                Arguments.of("reversed offsets", tensor("F32", "[2]", "[8,0]"), "outside"),
                Arguments.of("offset beyond the end", tensor("F32", "[2]", "[8,17]"), "outside"),
                Arguments.of("one offset", tensor("F32", "[2]", "[8]"), "two data_offsets"),
                Arguments.of("size differs from shape", tensor("F32", "[3]", "[0,8]"), "takes 8 bytes"),
                Arguments.of(
                        "overlap",
                        "{\"a\":" + GOOD + ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
                        "overlaps"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("hostileHeaders")
    void aHostileHeaderIsRefusedWithItsFile(String what, String header, String message) {
        assertThatThrownBy(() -> Safetensors.of("evil.safetensors", file(header, 16)))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("evil.safetensors")
                .hasMessageContaining(message)
                .hasMessageContaining("fetch it again");
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 0, 1, 1_000, 100_000_001, Long.MAX_VALUE, Long.MIN_VALUE})
    void anImpossibleHeaderLengthIsRefusedWithoutAllocatingIt(long length) {
        ByteBuffer file = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
        assertThatThrownBy(() -> Safetensors.of("evil.safetensors", file))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("header is " + length + " bytes long");
    }

    @Test
    void aFileTooShortForALengthIsRefused() {
        assertThatThrownBy(() -> Safetensors.of("evil.safetensors", ByteBuffer.allocate(7)))
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("too short");
    }

    @Test
    void aFileThatIsReplacedWhileItIsReadIsRefused(@TempDir Path directory) throws IOException {
        Path path = directory.resolve("model.safetensors");
        Files.write(path, file(tensor("F32", "[2]", "[0,8]"), 8).array());
        Tensor tensor = Safetensors.open(path).tensor("a");
        assertThat(tensor.floats()).containsExactly(0, 0);
        Path other = directory.resolve("other");
        Files.write(other, file(tensor("F32", "[2]", "[0,8]"), 8).array());
        Files.move(other, path, StandardCopyOption.REPLACE_EXISTING);
        assertThatThrownBy(tensor::floats)
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("replaced while it was read");
        Files.write(path, new byte[20]);
        assertThatThrownBy(tensor::floats).isInstanceOf(InvalidModelException.class);
    }

    @Test
    void integersAreNoWeights() {
        Tensor tensor =
                Safetensors.of("x", file(tensor("I32", "[2]", "[0,8]"), 16)).tensor("a");
        assertThatThrownBy(tensor::floats)
                .isInstanceOf(InvalidModelException.class)
                .hasMessageContaining("x: tensor a has dtype I32");
    }

    @Test
    void everyHalfPrecisionPatternWidensExactly() {
        assertThat(Tensor.halfToFloat((short) 0x3C00)).isEqualTo(1f);
        assertThat(Tensor.halfToFloat((short) 0xC000)).isEqualTo(-2f);
        assertThat(Tensor.halfToFloat((short) 0x7BFF)).isEqualTo(65504f);
        assertThat(Tensor.halfToFloat((short) 0x0001)).isEqualTo(0x1p-24f);
        assertThat(Tensor.halfToFloat((short) 0x8001)).isEqualTo(-0x1p-24f);
        assertThat(Float.floatToRawIntBits(Tensor.halfToFloat((short) 0x8000))).isEqualTo(0x80000000);
        assertThat(Tensor.halfToFloat((short) 0x7C00)).isInfinite();
        assertThat(Tensor.halfToFloat((short) 0x7E00)).isNaN();
        float before = 0;
        for (int pattern = 1; pattern < 0x7C00; pattern++) {
            float value = Tensor.halfToFloat((short) pattern);
            assertThat(value).isGreaterThan(before);
            before = value;
        }
    }

    private static String tensor(String type, String shape, String offsets) {
        return "{\"a\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
    }

    private static ByteBuffer file(String header, int dataBytes) {
        byte[] bytes = header.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(bytes.length)
                .array());
        out.writeBytes(bytes);
        out.writeBytes(new byte[dataBytes]);
        return ByteBuffer.wrap(out.toByteArray());
    }
}
