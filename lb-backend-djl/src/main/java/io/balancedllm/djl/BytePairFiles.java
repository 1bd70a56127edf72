/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads a {@link BytePairTokenizer} from {@code tokenizer.json}, or from {@code vocab.json} and {@code merges.txt}. */
final class BytePairFiles {
    private static final char[] CHAR_OF_BYTE = charOfByte();
    private static final Map<Character, Integer> BYTE_OF_CHAR = byteOfChar();
    /** Ids index an array; no vocabulary comes near. */
    private static final int MAX_ID = 1 << 24;

    private BytePairFiles() {}

    /** {@return the character that stands for a byte in tokenizer files} */
    static String charOf(int value) {
        return String.valueOf(CHAR_OF_BYTE[value]);
    }

    /** {@return whether this tokenizer.json says nothing but byte-level BPE with GPT-2's split pattern} */
    static boolean isGpt2(JsonNode json) {
        JsonNode model = json.path("model");
        JsonNode split = json.path("pre_tokenizer");
        return model.path("type").asText().equals("BPE")
                && absent(model.path("dropout"))
                && model.path("continuing_subword_prefix").asText("").isEmpty()
                && model.path("end_of_word_suffix").asText("").isEmpty()
                && !model.path("ignore_merges").asBoolean(false)
                && absent(json.path("normalizer"))
                && split.path("type").asText().equals("ByteLevel")
                && split.path("use_regex").asBoolean(true)
                && !split.path("add_prefix_space").asBoolean(true)
                && json.path("decoder").path("type").asText().equals("ByteLevel")
                && plainAddedTokens(json.path("added_tokens"));
    }

    static BytePairTokenizer read(ModelFiles files, JsonNode json) {
        String file = files.describe("tokenizer.json");
        List<String> merges = new ArrayList<>();
        for (JsonNode merge : json.path("model").path("merges")) {
            merges.add(
                    merge.isArray()
                            ? merge.path(0).asText() + " " + merge.path(1).asText()
                            : merge.asText());
        }
        Map<String, Integer> specials = new LinkedHashMap<>();
        for (JsonNode token : json.path("added_tokens")) {
            specials.put(token.path("content").asText(), token.path("id").asInt(-1));
        }
        return build(file, vocabulary(file, json.path("model").path("vocab")), merges, specials);
    }

    static BytePairTokenizer readVocabularyAndMerges(ModelFiles files) {
        String file = files.describe("vocab.json");
        Map<String, Integer> vocabulary = vocabulary(file, files.json("vocab.json"));
        List<String> merges = new String(files.bytes("merges.txt"), StandardCharsets.UTF_8)
                .lines()
                .filter(line -> !line.isBlank() && !line.startsWith("#version"))
                .toList();
        Integer end = vocabulary.get(Tokenizer.END_OF_TEXT);
        return build(file, vocabulary, merges, end == null ? Map.of() : Map.of(Tokenizer.END_OF_TEXT, end));
    }

    private static boolean absent(JsonNode node) {
        return node.isMissingNode() || node.isNull();
    }

    private static boolean plainAddedTokens(JsonNode tokens) {
        for (JsonNode token : tokens) {
            if (token.path("lstrip").asBoolean()
                    || token.path("rstrip").asBoolean()
                    || token.path("single_word").asBoolean()) {
                return false;
            }
        }
        return true;
    }

    private static Map<String, Integer> vocabulary(String file, JsonNode json) {
        Map<String, Integer> vocabulary = new HashMap<>();
        json.properties()
                .forEach(
                        entry -> vocabulary.put(entry.getKey(), entry.getValue().asInt(-1)));
        if (vocabulary.isEmpty()) {
            throw new InvalidModelException(file + " has no vocabulary: fetch it again");
        }
        return vocabulary;
    }

    private static BytePairTokenizer build(
            String file, Map<String, Integer> vocabulary, List<String> mergeLines, Map<String, Integer> specials) {
        int[] byteIds = new int[256];
        for (int value = 0; value < 256; value++) {
            byteIds[value] = id(file, vocabulary, charOf(value));
        }
        Map<Long, BytePairTokenizer.Merge> merges = new HashMap<>();
        for (String line : mergeLines) {
            int space = line.indexOf(' ');
            if (space < 1) {
                throw new InvalidModelException(file + ": merge \"" + line + "\" is not a pair: fetch it again");
            }
            String left = line.substring(0, space);
            String right = line.substring(space + 1);
            merges.putIfAbsent(
                    BytePairTokenizer.pair(id(file, vocabulary, left), id(file, vocabulary, right)),
                    new BytePairTokenizer.Merge(merges.size(), id(file, vocabulary, left + right)));
        }
        return new BytePairTokenizer(byteIds, tokenBytes(file, vocabulary, specials), merges, Map.copyOf(specials));
    }

    private static byte[][] tokenBytes(String file, Map<String, Integer> vocabulary, Map<String, Integer> specials) {
        Map<String, Integer> all = new HashMap<>(vocabulary);
        all.putAll(specials);
        int greatest = 0;
        for (String token : all.keySet()) {
            greatest = Math.max(greatest, id(file, all, token));
        }
        byte[][] bytes = new byte[greatest + 1][];
        Arrays.fill(bytes, new byte[0]);
        vocabulary.forEach((token, id) -> bytes[id] = bytes(token));
        specials.forEach((token, id) -> bytes[id] = token.getBytes(StandardCharsets.UTF_8));
        return bytes;
    }

    private static int id(String file, Map<String, Integer> vocabulary, String token) {
        int id = vocabulary.getOrDefault(token, -1);
        if (id < 0 || id > MAX_ID) {
            throw new InvalidModelException(
                    file + ": token \"" + token + "\" has no usable id in the vocabulary: fetch it again");
        }
        return id;
    }

    /** The bytes a token stands for; characters outside of the byte map stand for themselves. */
    private static byte[] bytes(String token) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(token.length());
        token.codePoints().forEach(codePoint -> {
            Integer value = Character.isBmpCodePoint(codePoint) ? BYTE_OF_CHAR.get((char) codePoint) : null;
            if (value == null) {
                bytes.writeBytes(Character.toString(codePoint).getBytes(StandardCharsets.UTF_8));
            } else {
                bytes.write(value);
            }
        });
        return bytes.toByteArray();
    }

    /** GPT-2's map from bytes to printable characters: printable Latin-1 as is, the rest from U+0100 on. */
    private static char[] charOfByte() {
        char[] map = new char[256];
        int moved = 0;
        for (int value = 0; value < 256; value++) {
            boolean printable = (value >= '!' && value <= '~') || (value >= 0xA1 && value != 0xAD);
            map[value] = (char) (printable ? value : 256 + moved++);
        }
        return map;
    }

    private static Map<Character, Integer> byteOfChar() {
        Map<Character, Integer> map = new HashMap<>();
        for (int value = 0; value < 256; value++) {
            map.put(CHAR_OF_BYTE[value], value);
        }
        return map;
    }
}
