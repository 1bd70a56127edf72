/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Any other {@code tokenizer.json}, through the native Hugging Face tokenizers. Thread-safe. */
final class HuggingFaceTokens implements Tokenizer {
    /** Without these DJL's tokenizer truncates to 512 tokens, pads and adds special tokens. */
    private static final Map<String, String> OPTIONS =
            Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false");

    private final HuggingFaceTokenizer tokenizer;
    private final Map<String, Integer> specials = new HashMap<>();
    private final int size;
    private final int longestToken;

    HuggingFaceTokens(ModelFiles files, JsonNode json) {
        try {
            tokenizer =
                    HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(files.bytes("tokenizer.json")), OPTIONS);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (RuntimeException | LinkageError e) {
            throw new InvalidModelException(
                    files.describe("tokenizer.json")
                            + " is no GPT-2 byte-level BPE, and the native tokenizer cannot read it: " + e.getMessage(),
                    e);
        }
        int greatest = 0;
        int longest = 1;
        for (JsonNode token : json.path("added_tokens")) {
            specials.put(token.path("content").asText(), token.path("id").asInt());
            greatest = Math.max(greatest, token.path("id").asInt());
        }
        JsonNode vocabulary = json.path("model").path("vocab");
        for (Map.Entry<String, JsonNode> entry : vocabulary.properties()) {
            greatest = Math.max(greatest, entry.getValue().asInt());
            longest = Math.max(longest, entry.getKey().getBytes(StandardCharsets.UTF_8).length);
        }
        size = Math.max(greatest + 1, vocabulary.size());
        longestToken = vocabulary.isObject() ? longest : Integer.MAX_VALUE;
    }

    /** The native tokenizer always parses special tokens, so texts are cut in the middle of each. */
    @Override
    public int[] encode(String text) {
        if (specials.isEmpty()) {
            return encodeSpecial(text);
        }
        Pattern middles = Pattern.compile(specials.keySet().stream()
                .filter(token -> token.length() > 1)
                .map(token -> "(?<=" + Pattern.quote(token.substring(0, 1)) + ")(?=" + Pattern.quote(token.substring(1))
                        + ")")
                .collect(Collectors.joining("|")));
        IntList ids = new IntList();
        for (String piece : middles.split(text, -1)) {
            ids.addAll(encodeSpecial(piece));
        }
        return ids.toArray();
    }

    @Override
    public int[] encodeSpecial(String text) {
        return Arrays.stream(tokenizer.encode(text, false, false).getIds())
                .mapToInt(Math::toIntExact)
                .toArray();
    }

    @Override
    public TextDecoder decoder(boolean skipSpecial) {
        return new Decoder(skipSpecial);
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public OptionalInt special(String token) {
        @Nullable Integer id = specials.get(token);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    @Override
    public int longestToken() {
        return longestToken;
    }

    @Override
    public void close() {
        tokenizer.close();
    }

    /** Decodes a short window twice, without and with the new token: what is added is its text. */
    private final class Decoder implements TextDecoder {
        private final boolean skipSpecial;
        private final IntList ids = new IntList();
        private int windowStart;
        private int emitted;

        Decoder(boolean skipSpecial) {
            this.skipSpecial = skipSpecial;
        }

        @Override
        public String append(int id) {
            ids.add(id);
            String text = pending();
            if (text.endsWith("\uFFFD")) {
                return "";
            }
            windowStart = emitted;
            emitted = ids.size();
            return text;
        }

        @Override
        public String finish() {
            String text = pending();
            emitted = ids.size();
            return text;
        }

        private String pending() {
            String known = text(windowStart, emitted);
            String all = text(windowStart, ids.size());
            return all.length() > known.length() ? all.substring(known.length()) : "";
        }

        private String text(int from, int to) {
            long[] window = Arrays.stream(ids.toArray(from, to)).asLongStream().toArray();
            return window.length == 0 ? "" : tokenizer.decode(window, skipSpecial);
        }
    }
}
