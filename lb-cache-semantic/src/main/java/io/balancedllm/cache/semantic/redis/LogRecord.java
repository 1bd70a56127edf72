/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What stands in a log. */
sealed interface LogRecord {
    /** Others of another version are passed by. */
    String VERSION = "1";

    /** Field of the instance that wrote a record. */
    String BY = "by";

    /** {@return where it stands} */
    StreamId at();

    /** An entry was stored; its answer lies beside the log. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Put(StreamId at, String by, String id, byte[] head, long ageMillis, long lifeMillis) implements LogRecord {}

    /** Entries were taken out. */
    record Forget(StreamId at, List<String> ids) implements LogRecord {}

    /** Nothing that this version writes. */
    record Foreign(StreamId at) implements LogRecord {}

    /** {@return the fields of a put} */
    static Map<String, byte[]> put(String by, String id, byte[] head, long ageMillis, long lifeMillis) {
        Map<String, byte[]> fields = begun(by);
        fields.put("put", bytes(id));
        fields.put("age", bytes(Long.toString(ageMillis)));
        fields.put("life", bytes(Long.toString(lifeMillis)));
        fields.put("head", head);
        return fields;
    }

    /** {@return the fields of a forget} */
    static Map<String, byte[]> forget(String by, List<String> ids) {
        Map<String, byte[]> fields = begun(by);
        fields.put("forget", bytes(String.join(" ", ids)));
        return fields;
    }

    private static Map<String, byte[]> begun(String by) {
        Map<String, byte[]> fields = new LinkedHashMap<>();
        fields.put("version", bytes(VERSION));
        fields.put(BY, bytes(by));
        return fields;
    }

    /** {@return what the fields say} */
    static LogRecord parse(StreamId at, Map<String, byte[]> fields) {
        String by = text(fields.get(BY));
        String put = text(fields.get("put"));
        String forget = text(fields.get("forget"));
        byte[] head = fields.get("head");
        if (!VERSION.equals(text(fields.get("version"))) || by == null) {
            return new Foreign(at);
        }
        if (forget != null) {
            return new Forget(at, List.of(forget.split(" ", -1)));
        }
        long age = number(fields.get("age"));
        long life = number(fields.get("life"));
        return put == null || head == null || age < 0 || life < 0
                ? new Foreign(at)
                : new Put(at, by, put, head, age, life);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static @Nullable String text(byte @Nullable [] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    private static long number(byte @Nullable [] bytes) {
        try {
            String text = text(bytes);
            long value = text == null ? -1 : Long.parseLong(text);
            return value > Link.LONGEST_LIFE.toMillis() ? -1 : value;
        } catch (NumberFormatException e) {
            return -1;
        }
    }
}
