/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.prefix;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.ContentPart;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.ToolCall;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Writes what a prompt is made of as bytes: each text as UTF-8 between a mark that says what it is and one that ends it.
 * Marks are bytes that UTF-8 never uses, so that different prompts give different bytes, and no length comes before a
 * text, so that texts that begin alike give bytes that begin alike.
 */
final class PromptBytes {
    /** Fields beyond the wire's own that change how a prompt is rendered or cached from its first token on. */
    private static final List<String> KEY_FIELDS = List.of(
            "adapter_id",
            "cache_salt",
            "chat_template",
            "chat_template_kwargs",
            "documents",
            "lora",
            "lora_path",
            "reasoning_effort");

    private static final byte END = (byte) 0xFF;
    private static final byte FIELD = (byte) 0xFE;
    private static final byte LIST = (byte) 0xFD;
    private static final byte MAP = (byte) 0xFC;
    private static final byte VALUE = (byte) 0xFB;

    private final BlockChain chain;

    PromptBytes(BlockChain chain) {
        this.chain = chain;
    }

    /** {@return what must be the same for prompts to share anything: model, adapter, cache salt, form and template} */
    static long key(CompletionRequest request) {
        StringBuilder text = new StringBuilder();
        text.append(request.operation()).append('\n').append(request.model().orElse(""));
        if (!request.extra().isEmpty()) {
            for (String field : KEY_FIELDS) {
                Object value = request.extra().get(field);
                if (value != null) {
                    text.append('\0').append(field).append('\0');
                    write(text, value);
                }
            }
        }
        byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
        return Xxh64.hash(bytes, 0, bytes.length, 0);
    }

    /** Keys of a map in alphabetical order: two maps that say the same are the same key. */
    private static void write(StringBuilder text, @Nullable Object value) {
        if (value instanceof Map<?, ?> map) {
            TreeMap<String, @Nullable Object> sorted = new TreeMap<>();
            map.forEach((name, entry) -> sorted.put(String.valueOf(name), entry));
            text.append('{');
            sorted.forEach((name, entry) -> {
                text.append(name).append('\0');
                write(text, entry);
            });
            text.append('}');
        } else if (value instanceof List<?> list) {
            text.append('[');
            list.forEach(entry -> write(text, entry));
            text.append(']');
        } else {
            text.append(value instanceof String ? '"' : '=').append(value).append('\0');
        }
    }

    void tools(List<Map<String, @Nullable Object>> tools) {
        tools.forEach(this::value);
    }

    void prompt(Prompt prompt) {
        if (prompt instanceof Prompt.Chat chat) {
            chat.messages().forEach(this::message);
        } else if (prompt instanceof Prompt.Text text) {
            text(text.text());
        } else if (prompt instanceof Prompt.Texts texts) {
            texts.texts().forEach(text -> {
                text(text);
                chain.add(END);
            });
        } else {
            throw new IllegalArgumentException("no text in " + prompt.getClass().getSimpleName());
        }
    }

    void message(Message message) {
        chain.add(FIELD);
        text(message.role().value());
        field('n', message.name().orElse(null));
        field('r', message.reasoning().orElse(null));
        // One text part is rendered as the same plain string is.
        field('c', message.content().orElse(null));
        for (ContentPart part : message.parts()) {
            part(part);
        }
        field('x', message.refusal().orElse(null));
        for (ToolCall call : message.toolCalls()) {
            field('i', call.id());
            field('f', call.name());
            field('a', call.arguments());
            extra(call.extra());
        }
        field('t', message.toolCallId().orElse(null));
        extra(message.extra());
        chain.add(END);
    }

    private void part(ContentPart part) {
        if (part instanceof ContentPart.Text text) {
            field('c', text.value());
        } else if (part instanceof ContentPart.Image image) {
            // A digest: the bytes of a picture say nothing about how many tokens it is.
            byte[] url = image.url().getBytes(StandardCharsets.UTF_8);
            field('d', image.detail());
            field('u', Long.toHexString(Xxh64.hash(url, 0, url.length, 0)));
        } else if (part instanceof ContentPart.Raw raw) {
            value(raw.json());
        }
    }

    private void extra(Map<String, @Nullable Object> extra) {
        if (!extra.isEmpty()) {
            value(extra);
        }
    }

    private void field(char mark, @Nullable String text) {
        if (text != null) {
            chain.add(VALUE);
            chain.add((byte) mark);
            text(text);
        }
    }

    private void value(@Nullable Object value) {
        if (value instanceof Map<?, ?> map) {
            chain.add(MAP);
            map.forEach((name, entry) -> {
                text(String.valueOf(name));
                value(entry);
            });
            chain.add(END);
        } else if (value instanceof List<?> list) {
            chain.add(LIST);
            list.forEach(this::value);
            chain.add(END);
        } else {
            chain.add(VALUE);
            chain.add(value instanceof String ? (byte) 's' : (byte) 'v');
            text(String.valueOf(value));
        }
    }

    private void text(String text) {
        chain.add(text.getBytes(StandardCharsets.UTF_8));
    }

    /** {@return token ids as bytes, four each} */
    static byte[] bytes(int[] ids) {
        ByteBuffer buffer = ByteBuffer.allocate(Math.multiplyExact(ids.length, Integer.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        buffer.asIntBuffer().put(ids);
        return buffer.array();
    }
}
