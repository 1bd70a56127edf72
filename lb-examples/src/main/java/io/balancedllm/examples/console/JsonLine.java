/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.console;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One JSON object on one line, its keys in snake_case and in the order they were put. Not thread-safe. */
public final class JsonLine {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Map<String, @Nullable Object> fields = new LinkedHashMap<>();

    /** Puts a field: a string, number, boolean, array, list or map of such, or null. */
    public JsonLine put(String name, @Nullable Object value) {
        fields.put(name, value);
        return this;
    }

    /** {@return the fields, in order} */
    public Map<String, @Nullable Object> fields() {
        return fields;
    }

    /** {@return the object as JSON} */
    @Override
    public String toString() {
        try {
            return MAPPER.writeValueAsString(fields);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not a JSON value in " + fields.keySet(), e);
        }
    }
}
