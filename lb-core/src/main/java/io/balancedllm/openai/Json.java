/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * JSON as plain values: {@link Map}, {@link List}, {@link String}, {@link Boolean}, {@link Long}, {@link BigInteger},
 * {@link BigDecimal} and null, so that no number loses a digit. Maps and lists that were read may be changed.
 */
final class Json {
    /** Field whose array of numbers is read as {@code float[]} by {@link #readVectors}: boxed, it would fill the heap. */
    private static final String VECTOR_FIELD = "embedding";

    private static final int FIRST_VECTOR_CAPACITY = 512;

    private static final JsonFactory FACTORY = new JsonFactoryBuilder()
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(OpenAiJson.MAX_DEPTH)
                    .maxStringLength(OpenAiJson.MAX_BODY_BYTES)
                    .build())
            .build();

    private Json() {}

    /** {@return the value of this text} Throws {@link IOException} on anything but one JSON value of bounded depth. */
    static @Nullable Object read(String text) throws IOException {
        return readOnly(FACTORY.createParser(text), false);
    }

    /** {@return the value of these UTF-8 bytes} Throws {@link IOException} as {@link #read(String)}. */
    static @Nullable Object read(byte[] bytes) throws IOException {
        return readOnly(FACTORY.createParser(bytes), false);
    }

    /** {@return the value of these bytes, each array under {@code "embedding"} as {@code float[]}} */
    static @Nullable Object readVectors(byte[] bytes) throws IOException {
        return readOnly(FACTORY.createParser(bytes), true);
    }

    private static @Nullable Object readOnly(JsonParser parser, boolean vectors) throws IOException {
        try (parser) {
            JsonToken first = parser.nextToken();
            if (first == null) {
                throw new IOException("it is empty");
            }
            Object value = value(parser, first, vectors);
            if (parser.nextToken() != null) {
                throw new IOException("something follows the JSON value");
            }
            return value;
        } catch (NumberFormatException | ArithmeticException e) {
            throw new IOException("a number is out of range", e);
        }
    }

    private static @Nullable Object value(JsonParser parser, JsonToken token, boolean vectors) throws IOException {
        return switch (token) {
            case START_OBJECT -> object(parser, vectors);
            case START_ARRAY -> array(parser, vectors);
            case VALUE_STRING -> parser.getText();
            case VALUE_NUMBER_INT ->
                parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                        ? parser.getBigIntegerValue()
                        : (Object) parser.getLongValue();
            case VALUE_NUMBER_FLOAT -> parser.getDecimalValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            default -> throw new IOException("unexpected " + token);
        };
    }

    private static Map<String, @Nullable Object> object(JsonParser parser, boolean vectors) throws IOException {
        Map<String, @Nullable Object> object = new LinkedHashMap<>();
        while (next(parser) != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            JsonToken token = next(parser);
            if (vectors && token == JsonToken.START_ARRAY && name.equals(VECTOR_FIELD)) {
                object.put(name, vector(parser));
            } else {
                object.put(name, value(parser, token, vectors));
            }
        }
        return object;
    }

    private static List<@Nullable Object> array(JsonParser parser, boolean vectors) throws IOException {
        List<@Nullable Object> array = new ArrayList<>();
        for (JsonToken token = next(parser); token != JsonToken.END_ARRAY; token = next(parser)) {
            array.add(value(parser, token, vectors));
        }
        return array;
    }

    private static float[] vector(JsonParser parser) throws IOException {
        float[] vector = new float[FIRST_VECTOR_CAPACITY];
        int length = 0;
        for (JsonToken token = next(parser); token != JsonToken.END_ARRAY; token = next(parser)) {
            if (!token.isNumeric()) {
                throw new IOException("an embedding holds something that is no number");
            }
            if (length == vector.length) {
                vector = Arrays.copyOf(vector, length * 2);
            }
            vector[length++] = parser.getFloatValue();
        }
        return Arrays.copyOf(vector, length);
    }

    private static JsonToken next(JsonParser parser) throws IOException {
        JsonToken token = parser.nextToken();
        if (token == null) {
            throw new IOException("it ends too early");
        }
        return token;
    }

    /** {@return the value as JSON in UTF-8} Besides what {@link #read} returns it may hold arrays of int and float. */
    static byte[] write(Map<String, @Nullable Object> value) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (JsonGenerator generator = FACTORY.createGenerator(out)) {
            write(generator, value);
        } catch (IOException e) {
            throw new UncheckedIOException("a value could not be written as JSON", e);
        }
        return out.toByteArray();
    }

    private static void write(JsonGenerator generator, @Nullable Object value) throws IOException {
        if (value == null) {
            generator.writeNull();
        } else if (value instanceof String text) {
            generator.writeString(text);
        } else if (value instanceof Map<?, ?> map) {
            generator.writeStartObject();
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                generator.writeFieldName((String) entry.getKey());
                write(generator, entry.getValue());
            }
            generator.writeEndObject();
        } else if (value instanceof List<?> list) {
            generator.writeStartArray();
            for (Object element : list) {
                write(generator, element);
            }
            generator.writeEndArray();
        } else if (value instanceof Boolean flag) {
            generator.writeBoolean(flag);
        } else if (value instanceof Long || value instanceof Integer) {
            generator.writeNumber(((Number) value).longValue());
        } else if (value instanceof Double number) {
            generator.writeNumber(number);
        } else if (value instanceof BigDecimal number) {
            generator.writeNumber(number);
        } else if (value instanceof BigInteger number) {
            generator.writeNumber(number);
        } else if (value instanceof int[] numbers) {
            generator.writeArray(numbers, 0, numbers.length);
        } else if (value instanceof float[] numbers) {
            generator.writeStartArray();
            for (float number : numbers) {
                generator.writeNumber(number);
            }
            generator.writeEndArray();
        } else {
            throw new IllegalArgumentException(
                    "no JSON value: " + value.getClass().getName());
        }
    }

    /**
     * Puts into {@code typed} what {@code extra} has beyond it: maps are merged, lists of the same length element by
     * element; anywhere else what is typed stays.
     */
    static void merge(Map<String, @Nullable Object> typed, Map<String, ? extends @Nullable Object> extra) {
        extra.forEach((name, value) -> {
            Object present = typed.get(name);
            if (present == null) {
                typed.put(name, value);
            } else {
                mergeValue(present, value);
            }
        });
    }

    @SuppressWarnings("unchecked") // what is typed is built here, of mutable maps with string keys
    private static void mergeValue(@Nullable Object typed, @Nullable Object extra) {
        if (typed instanceof LinkedHashMap<?, ?> && extra instanceof Map<?, ?>) {
            merge((Map<String, @Nullable Object>) typed, (Map<String, @Nullable Object>) extra);
        } else if (typed instanceof List<?> into && extra instanceof List<?> from && into.size() == from.size()) {
            for (int i = 0; i < into.size(); i++) {
                mergeValue(into.get(i), from.get(i));
            }
        }
    }
}
