/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import io.balancedllm.completion.ContentPart;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Role;
import io.balancedllm.completion.ToolCall;
import io.balancedllm.completion.ToolCallDelta;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Messages, their parts and tool calls. */
final class MessageJson {
    private static final String FUNCTION = "function";
    /** The field in which vLLM 0.12+ and OpenRouter send what the others send as {@code reasoning_content}. */
    private static final String REASONING = "reasoning";

    private static final String REASONING_CONTENT = "reasoning_content";

    private MessageJson() {}

    /** {@return a message of a request; role and content must have their form} */
    static Message readAsked(Map<String, @Nullable Object> json, String path) {
        Fields strict = Fields.strict(json, path);
        String role = strict.word("role");
        if (role == null) {
            throw strict.refused("role", "is missing");
        }
        Object content = strict.peek("content");
        if (content instanceof List<?> parts) {
            for (int i = 0; i < parts.size(); i++) {
                if (Fields.asObject(parts.get(i)) == null) {
                    throw strict.refused(
                            "content[" + i + "]", "must be an object, got " + Fields.describe(parts.get(i)));
                }
            }
        } else if (content != null && !(content instanceof String)) {
            throw strict.refused(
                    "content", "must be a string, a list of parts or null, got " + Fields.describe(content));
        }
        return read(Message.builder(new Role(role)), json);
    }

    /** {@return a message of an answer; what has not its form stays in extra} */
    static Message readAnswered(Map<String, @Nullable Object> json) {
        String role = Fields.lenient(json).word("role");
        return read(Message.builder(role == null ? Role.ASSISTANT : new Role(role)), json);
    }

    private static Message read(Message.Builder message, Map<String, @Nullable Object> json) {
        Fields fields = Fields.lenient(json);
        List<ContentPart> parts = parts(fields.peek("content"));
        if (parts.isEmpty()) {
            Optional.ofNullable(fields.string("content")).ifPresent(message::content);
        } else {
            fields.drop("content");
            parts.forEach(message::part);
        }
        Optional.ofNullable(fields.string("name")).ifPresent(message::name);
        Optional.ofNullable(fields.string("tool_call_id")).ifPresent(message::toolCallId);
        Optional.ofNullable(fields.string("refusal")).ifPresent(message::refusal);
        Optional.ofNullable(readReasoning(fields)).ifPresent(message::reasoning);
        toolCalls(fields).forEach(message::toolCall);
        return message.extra(fields.rest()).build();
    }

    /** {@return the parts of a content that is a list of objects; empty when it is none} */
    private static List<ContentPart> parts(@Nullable Object content) {
        if (!(content instanceof List<?> list)) {
            return List.of();
        }
        List<ContentPart> parts = new ArrayList<>(list.size());
        for (Object element : list) {
            Map<String, @Nullable Object> part = Fields.asObject(element);
            if (part == null) {
                return List.of();
            }
            parts.add(part(part));
        }
        return parts;
    }

    private static ContentPart part(Map<String, @Nullable Object> part) {
        if (part.size() == 2 && "text".equals(part.get("type")) && part.get("text") instanceof String text) {
            return new ContentPart.Text(text);
        }
        if (part.size() == 2 && "image_url".equals(part.get("type"))) {
            Map<String, @Nullable Object> image = Fields.asObject(part.get("image_url"));
            if (image != null && image.get("url") instanceof String url) {
                if (image.size() == 1) {
                    return new ContentPart.Image(url, null);
                }
                if (image.size() == 2 && image.get("detail") instanceof String detail) {
                    return new ContentPart.Image(url, detail);
                }
            }
        }
        return new ContentPart.Raw(part);
    }

    /**
     * Takes the reasoning. The older name is the one written; where the newer one stood, extra keeps it as the mark of
     * where the text belongs.
     */
    static @Nullable String readReasoning(Fields fields) {
        boolean newer = fields.peek(REASONING) instanceof String;
        boolean older = fields.peek(REASONING_CONTENT) instanceof String;
        String reasoning = older ? (String) fields.peek(REASONING_CONTENT) : null;
        if (newer && !older) {
            return (String) fields.peek(REASONING);
        }
        if (!newer) {
            if (fields.peek(REASONING) == null) {
                fields.drop(REASONING);
            }
            fields.string(REASONING_CONTENT);
        }
        return reasoning;
    }

    /** Leaves the mark of a reasoning that was there and empty. */
    static void keepEmptyReasoning(Fields fields) {
        if (fields.peek(REASONING) == null) {
            fields.put(REASONING_CONTENT, "");
        }
    }

    static String reasoningField(Map<String, @Nullable Object> extra) {
        return extra.get(REASONING) instanceof String && !extra.containsKey(REASONING_CONTENT)
                ? REASONING
                : REASONING_CONTENT;
    }

    static Map<String, @Nullable Object> write(Message message) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("role", message.role().value());
        message.content().ifPresent(content -> json.put("content", content));
        if (!message.parts().isEmpty()) {
            json.put(
                    "content",
                    message.parts().stream().map(MessageJson::writePart).toList());
        }
        message.name().ifPresent(name -> json.put("name", name));
        message.toolCallId().ifPresent(id -> json.put("tool_call_id", id));
        message.refusal().ifPresent(refusal -> json.put("refusal", refusal));
        message.reasoning().ifPresent(reasoning -> json.put(reasoningField(message.extra()), reasoning));
        if (!message.toolCalls().isEmpty()) {
            json.put(
                    "tool_calls",
                    message.toolCalls().stream().map(MessageJson::writeCall).toList());
        }
        Json.merge(json, message.extra());
        return json;
    }

    private static Map<String, @Nullable Object> writePart(ContentPart part) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        if (part instanceof ContentPart.Text text) {
            json.put("type", "text");
            json.put("text", text.value());
        } else if (part instanceof ContentPart.Image image) {
            Map<String, @Nullable Object> url = new LinkedHashMap<>();
            url.put("url", image.url());
            if (image.detail() != null) {
                url.put("detail", image.detail());
            }
            json.put("type", "image_url");
            json.put("image_url", url);
        } else if (part instanceof ContentPart.Raw raw) {
            json.putAll(raw.json());
        }
        return json;
    }

    /** {@return the tool calls, taken only when every one is a function call in the usual form} */
    private static List<ToolCall> toolCalls(Fields fields) {
        if (fields.peek("tool_calls") == null) {
            fields.drop("tool_calls");
        }
        if (!(fields.peek("tool_calls") instanceof List<?> list)
                || !list.stream().allMatch(MessageJson::isCall)) {
            return List.of();
        }
        List<ToolCall> calls = new ArrayList<>(list.size());
        for (Object element : list) {
            Map<String, @Nullable Object> json = Fields.asObject(element);
            if (json != null) {
                calls.add(call(Fields.lenient(json)));
            }
        }
        if (!calls.isEmpty()) {
            fields.drop("tool_calls");
        }
        return calls;
    }

    private static boolean isCall(@Nullable Object element) {
        Map<String, @Nullable Object> call = Fields.asObject(element);
        if (call == null || !(call.get("id") == null || call.get("id") instanceof String)) {
            return false;
        }
        Map<String, @Nullable Object> function = Fields.asObject(call.get(FUNCTION));
        return function != null
                && function.get("name") instanceof String
                && function.get("arguments") instanceof String;
    }

    private static ToolCall call(Fields call) {
        String id = call.string("id");
        Fields function = Fields.lenient(new LinkedHashMap<>(orEmpty(call.object(FUNCTION))));
        String name = function.string("name");
        String arguments = function.string("arguments");
        call.dropIf("type", FUNCTION);
        if (!function.rest().isEmpty()) {
            call.put(FUNCTION, function.rest());
        }
        return new ToolCall(
                id == null ? "" : id, name == null ? "" : name, arguments == null ? "" : arguments, call.rest());
    }

    private static Map<String, @Nullable Object> writeCall(ToolCall call) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        if (!call.id().isEmpty()) {
            json.put("id", call.id());
        }
        if (!call.extra().containsKey("type")) {
            json.put("type", FUNCTION);
        }
        json.put(FUNCTION, function(call.name(), call.arguments()));
        Json.merge(json, call.extra());
        return json;
    }

    private static Map<String, @Nullable Object> function(String name, String arguments) {
        Map<String, @Nullable Object> function = new LinkedHashMap<>();
        function.put("name", name);
        function.put("arguments", arguments);
        return function;
    }

    /** {@return the pieces of tool calls of a delta, taken only when each has its form} */
    static List<ToolCallDelta> readDeltas(Fields delta) {
        if (delta.peek("tool_calls") == null) {
            delta.drop("tool_calls");
        }
        if (!(delta.peek("tool_calls") instanceof List<?> list)
                || list.isEmpty()
                || !list.stream().allMatch(MessageJson::isDelta)) {
            return List.of();
        }
        delta.drop("tool_calls");
        List<ToolCallDelta> deltas = new ArrayList<>(list.size());
        for (Object element : list) {
            deltas.add(delta(Fields.lenient(orEmpty(Fields.asObject(element)))));
        }
        return deltas;
    }

    private static boolean isDelta(@Nullable Object element) {
        Map<String, @Nullable Object> json = Fields.asObject(element);
        if (json == null) {
            return false;
        }
        Long index = Fields.asLong(json.get("index"));
        return index != null
                && index >= 0
                && index <= Integer.MAX_VALUE
                && (json.get("id") == null || json.get("id") instanceof String)
                && (json.get(FUNCTION) == null || Fields.asObject(json.get(FUNCTION)) != null);
    }

    private static ToolCallDelta delta(Fields json) {
        Integer index = json.integer("index", 0);
        String id = json.string("id");
        Fields function = Fields.lenient(orEmpty(json.object(FUNCTION)));
        String name = function.string("name");
        String arguments = function.string("arguments");
        if (arguments != null && arguments.isEmpty()) {
            function.put("arguments", ""); // typed, it would look the same as no arguments
        }
        if (id != null) {
            json.dropIf("type", FUNCTION);
        }
        if (!function.rest().isEmpty()) {
            json.put(FUNCTION, function.rest());
        }
        return new ToolCallDelta(index == null ? 0 : index, id, name, arguments == null ? "" : arguments, json.rest());
    }

    static Map<String, @Nullable Object> writeDelta(ToolCallDelta delta) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("index", delta.index());
        if (delta.id() != null) {
            json.put("id", delta.id());
            if (!delta.extra().containsKey("type")) {
                json.put("type", FUNCTION);
            }
        }
        Map<String, @Nullable Object> function = new LinkedHashMap<>();
        if (delta.name() != null) {
            function.put("name", delta.name());
        }
        if (!delta.arguments().isEmpty()) {
            function.put("arguments", delta.arguments());
        }
        if (!function.isEmpty()) {
            json.put(FUNCTION, function);
        }
        Json.merge(json, delta.extra());
        return json;
    }

    private static Map<String, @Nullable Object> orEmpty(@Nullable Map<String, @Nullable Object> map) {
        return map == null ? new LinkedHashMap<>() : map;
    }
}
