/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.LlmException.Reason;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The fields of a JSON object, from which what has a type is taken; the rest stays and becomes {@code extra}. A null
 * equals absence and is taken. A field whose value does not fit its type is refused when strict, left alone otherwise.
 */
final class Fields {
    private final Map<String, @Nullable Object> fields;
    private final String path;
    private final boolean strict;

    private Fields(Map<String, @Nullable Object> fields, String path, boolean strict) {
        this.fields = fields;
        this.path = path;
        this.strict = strict;
    }

    static Fields lenient(Map<String, @Nullable Object> fields) {
        return new Fields(fields, "", false);
    }

    static Fields strict(Map<String, @Nullable Object> fields, String path) {
        return new Fields(fields, path, true);
    }

    /** {@return the value as an object, or null when it is none} */
    @SuppressWarnings("unchecked") // Json.read makes maps with string keys only
    static @Nullable Map<String, @Nullable Object> asObject(@Nullable Object value) {
        return value instanceof Map<?, ?> map ? (Map<String, @Nullable Object>) map : null;
    }

    /** {@return what has not been taken} */
    Map<String, @Nullable Object> rest() {
        return fields;
    }

    /** {@return the value as it is, not taken} */
    @Nullable
    Object peek(String name) {
        return fields.get(name);
    }

    void put(String name, @Nullable Object value) {
        fields.put(name, value);
    }

    void drop(String name) {
        fields.remove(name);
    }

    /** Takes the field when it has exactly this value. */
    void dropIf(String name, Object value) {
        if (value.equals(fields.get(name))) {
            fields.remove(name);
        }
    }

    @Nullable
    String string(String name) {
        return take(name, "a string", value -> value instanceof String text ? text : null);
    }

    /** {@return the string unless it is blank} */
    @Nullable
    String word(String name) {
        return take(
                name,
                "a string that is not blank",
                value -> value instanceof String text && !text.isBlank() ? text : null);
    }

    @Nullable
    Boolean bool(String name) {
        return take(name, "true or false", value -> value instanceof Boolean flag ? flag : null);
    }

    @Nullable
    Double number(String name) {
        return take(name, "a finite number", Fields::asDouble);
    }

    @Nullable
    Integer integer(String name, int minimum) {
        return take(name, "a whole number of at least " + minimum + " and at most " + Integer.MAX_VALUE, value -> {
            Long number = asLong(value);
            return number != null && number >= minimum && number <= Integer.MAX_VALUE ? number.intValue() : null;
        });
    }

    @Nullable
    Long longInteger(String name) {
        return take(name, "a whole number of 64 bits", Fields::asLong);
    }

    @Nullable
    Map<String, @Nullable Object> object(String name) {
        return take(name, "an object", Fields::asObject);
    }

    @Nullable
    List<?> list(String name) {
        return take(name, "a list", value -> value instanceof List<?> list ? list : null);
    }

    /** {@return the whole number this is, whatever its spelling; null when it is none of 64 bits} */
    static @Nullable Long asLong(@Nullable Object value) {
        if (value instanceof Long number) {
            return number;
        }
        if (value instanceof BigDecimal number) {
            try {
                return number.longValueExact();
            } catch (ArithmeticException e) {
                return null; // a fraction, or beyond 64 bits
            }
        }
        return null;
    }

    static @Nullable Double asDouble(@Nullable Object value) {
        if (value instanceof Number number) {
            double converted = number.doubleValue();
            return Double.isFinite(converted) ? converted : null;
        }
        return null;
    }

    /** {@return the field converted and taken; null when it is absent, null, or left because it does not fit} */
    <T> @Nullable T take(String name, String expected, Function<Object, @Nullable T> convert) {
        Object value = fields.get(name);
        if (value == null) {
            fields.remove(name);
            return null;
        }
        T converted = convert.apply(value);
        if (converted == null) {
            if (strict) {
                throw refused(name, "must be " + expected + ", got " + describe(value));
            }
            return null;
        }
        fields.remove(name);
        return converted;
    }

    LlmException refused(String name, String why) {
        return new LlmException(Reason.INVALID_REQUEST, "\"" + path + name + "\" " + why);
    }

    /** {@return what a value is, in words that give none of its text away} */
    static String describe(@Nullable Object value) {
        if (value == null) {
            return "null";
        }
        if (value instanceof String text) {
            return text.isBlank() ? "a blank string" : "a string";
        }
        if (value instanceof Number || value instanceof Boolean) {
            String text = value.toString();
            return text.length() <= 24 ? text : "a long number";
        }
        return value instanceof List<?> ? "a list" : "an object";
    }
}
