/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.completion;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Deep, immutable copies of plain JSON values: maps, lists, strings, booleans, numbers and null. */
final class JsonValues {
    /** Deeper nesting than any wire body has; stops a hostile or cyclic structure before the stack does. */
    private static final int MAX_DEPTH = 128;

    private JsonValues() {}

    static Map<String, @Nullable Object> copyOf(String name, Map<String, ? extends @Nullable Object> map) {
        return map.isEmpty() ? Map.of() : copyMap(name, map, 0);
    }

    static @Nullable Object copyOf(String name, @Nullable Object value) {
        return copy(name, value, 0);
    }

    private static @Nullable Object copy(String name, @Nullable Object value, int depth) {
        if (depth > MAX_DEPTH) {
            throw new IllegalArgumentException(name + " is nested deeper than " + MAX_DEPTH + " levels");
        }
        if (value == null || value instanceof String || value instanceof Boolean) {
            return value;
        }
        if (value instanceof Number number) {
            return copyNumber(name, number);
        }
        if (value instanceof Map<?, ?> map) {
            return copyMap(name, map, depth);
        }
        if (value instanceof List<?> list) {
            List<@Nullable Object> copy = new ArrayList<>(list.size());
            for (Object element : list) {
                copy.add(copy(name, element, depth + 1));
            }
            return Collections.unmodifiableList(copy);
        }
        throw new IllegalArgumentException(
                name + " must hold JSON values (Map, List, String, Boolean, Number or null), got a "
                        + value.getClass().getName());
    }

    private static Number copyNumber(String name, Number number) {
        if (number instanceof Long || number instanceof BigInteger || number instanceof BigDecimal) {
            return number;
        }
        if (number instanceof Integer || number instanceof Short || number instanceof Byte) {
            return number.longValue();
        }
        if (number instanceof Double || number instanceof Float) {
            if (!Double.isFinite(number.doubleValue())) {
                throw new IllegalArgumentException(name + " must hold finite numbers, got " + number);
            }
            return new BigDecimal(number.toString());
        }
        throw new IllegalArgumentException(name + " holds a number of unsupported type "
                + number.getClass().getName());
    }

    private static Map<String, @Nullable Object> copyMap(String name, Map<?, ?> map, int depth) {
        Map<String, @Nullable Object> copy = new LinkedHashMap<>();
        map.forEach((key, value) -> {
            if (!(key instanceof String text)) {
                throw new IllegalArgumentException(name + " must have String keys, got " + key);
            }
            copy.put(text, copy(name, value, depth + 1));
        });
        return Collections.unmodifiableMap(copy);
    }
}
