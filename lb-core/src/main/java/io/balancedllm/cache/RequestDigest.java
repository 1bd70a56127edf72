/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

import io.balancedllm.completion.CompletionRequest;
import io.balancedllm.completion.ContentPart;
import io.balancedllm.completion.Message;
import io.balancedllm.completion.Prompt;
import io.balancedllm.completion.SamplingOptions;
import io.balancedllm.completion.ToolCall;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * SHA-256 over a request in a form that no two different requests share: every value begins with its kind, every string
 * and list with its length. Characters are written as the 16 bits they are, since an encoder would make all unpaired
 * surrogates the same. Not thread-safe.
 */
final class RequestDigest {
    private static final int BUFFER_BYTES = 4096;

    private final MessageDigest digest = sha256();
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    String hex() {
        flush();
        return HexFormat.of().formatHex(digest.digest());
    }

    void text(String name, @Nullable String value) {
        write(name);
        value(value);
    }

    void request(CompletionRequest request, CacheKey.LastText last) {
        text("model", request.model().orElse(null));
        prompt(request.prompt(), last);
        sampling(request.sampling());
        number("max_tokens", request.maxTokens().orElse(-1));
        field("stop", request.stop());
        number("n", request.n());
        number("top_logprobs", request.topLogprobs().orElse(-1));
        field("tools", request.tools());
        field("tool_choice", request.toolChoice().orElse(null));
        field("response_format", request.responseFormat().orElse(null));
        field("extra", request.extra());
    }

    private void prompt(Prompt prompt, CacheKey.LastText last) {
        if (prompt instanceof Prompt.Chat chat) {
            number("chat", chat.messages().size());
            for (int i = 0; i < chat.messages().size(); i++) {
                message(chat.messages().get(i), i == last.message() ? last : null);
            }
        } else if (prompt instanceof Prompt.Text) {
            number("text", 1);
        } else if (prompt instanceof Prompt.Texts texts) {
            field("texts", texts.texts());
        } else if (prompt instanceof Prompt.Tokens tokens) {
            number("tokens", tokens.single() ? 0 : tokens.sequences().size());
            for (int[] sequence : tokens.sequences()) {
                number("sequence", sequence.length);
                for (int id : sequence) {
                    write(id);
                }
            }
        }
    }

    private void message(Message message, CacheKey.@Nullable LastText last) {
        text("role", message.role().value());
        if (last != null && last.part() < 0) {
            number("placeholder", 1);
        } else {
            text("content", message.content().orElse(null));
        }
        number("parts", message.parts().size());
        for (int i = 0; i < message.parts().size(); i++) {
            if (last != null && i == last.part()) {
                number("placeholder", 1);
            } else {
                part(message.parts().get(i));
            }
        }
        text("name", message.name().orElse(null));
        number("calls", message.toolCalls().size());
        for (ToolCall call : message.toolCalls()) {
            text("id", call.id());
            text("function", call.name());
            text("arguments", call.arguments());
            field("extra", call.extra());
        }
        text("call id", message.toolCallId().orElse(null));
        text("reasoning", message.reasoning().orElse(null));
        text("refusal", message.refusal().orElse(null));
        field("extra", message.extra());
    }

    private void part(ContentPart part) {
        if (part instanceof ContentPart.Text text) {
            text("text", text.value());
        } else if (part instanceof ContentPart.Image image) {
            text("image", image.url());
            text("detail", image.detail());
        } else if (part instanceof ContentPart.Raw raw) {
            field("raw", raw.json());
        }
    }

    private void sampling(SamplingOptions sampling) {
        number("temperature", sampling.temperature());
        number("top_p", sampling.topP());
        text(
                "top_k",
                sampling.topK().isPresent() ? Integer.toString(sampling.topK().getAsInt()) : null);
        number("min_p", sampling.minP());
        number("repetition_penalty", sampling.repetitionPenalty());
        number("presence_penalty", sampling.presencePenalty());
        number("frequency_penalty", sampling.frequencyPenalty());
        text("seed", sampling.seed().isPresent() ? Long.toString(sampling.seed().getAsLong()) : null);
    }

    private void number(String name, OptionalDouble value) {
        text(name, value.isPresent() ? Double.toString(value.getAsDouble()) : null);
    }

    private void number(String name, int value) {
        write(name);
        write(value);
    }

    private void field(String name, @Nullable Object json) {
        write(name);
        value(json);
    }

    /** A JSON value: members of an object in the order of their names, which means nothing on the wire. */
    private void value(@Nullable Object json) {
        if (json == null) {
            write('0');
        } else if (json instanceof String string) {
            write('s');
            write(string);
        } else if (json instanceof List<?> list) {
            write('l');
            write(list.size());
            list.forEach(this::value);
        } else if (json instanceof Map<?, ?> map) {
            write('m');
            write(map.size());
            Map<String, @Nullable Object> sorted = new TreeMap<>();
            map.forEach((name, value) -> sorted.put(String.valueOf(name), value));
            sorted.forEach(this::field);
        } else {
            write(json instanceof Boolean ? 'b' : 'n');
            write(json.toString());
        }
    }

    private void write(String string) {
        write(string.length());
        for (int i = 0; i < string.length(); i++) {
            write(string.charAt(i));
        }
    }

    private void write(char value) {
        reserve(Character.BYTES);
        buffer.putChar(value);
    }

    private void write(int value) {
        reserve(Integer.BYTES);
        buffer.putInt(value);
    }

    private void reserve(int bytes) {
        if (buffer.remaining() < bytes) {
            flush();
        }
    }

    private void flush() {
        digest.update(buffer.flip());
        buffer.clear();
    }
}
