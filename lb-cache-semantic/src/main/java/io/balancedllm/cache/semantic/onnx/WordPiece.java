/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.onnx;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The tokenizer of uncased BERT models: lower case, accents dropped, cut at blanks and punctuation, then each word into
 * the longest pieces of the vocabulary. Immutable, thread-safe.
 */
final class WordPiece {
    private static final int CLASSIFY = 101;
    private static final int SEPARATE = 102;
    private static final int UNKNOWN = 100;
    /** Longer words are unknown, as in the reference implementation. */
    private static final int LONGEST_WORD = 100;

    private static final int VOCABULARY_SIZE = 30_522;

    private final Map<String, Integer> vocabulary;
    private final int maxTokens;

    WordPiece(Map<String, Integer> vocabulary, int maxTokens) {
        this.vocabulary = Map.copyOf(vocabulary);
        this.maxTokens = maxTokens;
    }

    /** Reads the vocabulary of a {@code tokenizer.json} of Hugging Face. */
    static WordPiece read(InputStream json, int maxTokens) throws IOException {
        Map<String, Integer> vocabulary = new HashMap<>(2 * VOCABULARY_SIZE);
        try (JsonParser parser = new JsonFactory().createParser(json)) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (token == JsonToken.FIELD_NAME && parser.currentName().equals("vocab")) {
                    if (parser.nextToken() != JsonToken.START_OBJECT) {
                        break;
                    }
                    while (parser.nextToken() == JsonToken.FIELD_NAME) {
                        String piece = parser.currentName();
                        parser.nextToken();
                        vocabulary.put(piece, parser.getIntValue());
                    }
                }
            }
        }
        if (!Integer.valueOf(CLASSIFY).equals(vocabulary.get("[CLS]"))) {
            throw new IOException("the tokenizer's vocabulary is not that of an uncased BERT model");
        }
        return new WordPiece(vocabulary, maxTokens);
    }

    /**
     * The ids of a text, between the marks of its beginning and its end.
     *
     * @param ids never more than the model takes
     * @param truncated whether the text has more
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Tokens(int[] ids, boolean truncated) {}

    Tokens tokens(String text) {
        Ids ids = new Ids(maxTokens);
        ids.add(CLASSIFY);
        StringBuilder word = new StringBuilder();
        for (int i = 0; i < text.length() && !ids.full(); ) {
            int next = text.codePointAt(i);
            i += Character.charCount(next);
            if (isDropped(next)) {
                continue;
            }
            boolean blank = Character.isWhitespace(next) || Character.getType(next) == Character.SPACE_SEPARATOR;
            if (!blank && !isAlone(next)) {
                word.appendCodePoint(next);
                if (word.length() > LONGEST_WORD * 2) {
                    word.setLength(LONGEST_WORD + 1); // unknown already; do not collect megabytes of it
                }
                continue;
            }
            addWord(word, ids);
            if (!blank) {
                addWord(word.appendCodePoint(next), ids);
            }
        }
        addWord(word, ids);
        return ids.end();
    }

    private void addWord(StringBuilder word, Ids ids) {
        if (word.length() == 0) {
            return;
        }
        String plain = plain(word.toString());
        word.setLength(0);
        if (!plain.isEmpty()) {
            addPieces(plain, ids);
        }
    }

    /** Lower case without accents. */
    private static String plain(String word) {
        String decomposed = Normalizer.normalize(word.toLowerCase(Locale.ROOT), Normalizer.Form.NFD);
        if (decomposed.chars().allMatch(c -> c < 0x80)) {
            return decomposed;
        }
        StringBuilder plain = new StringBuilder();
        decomposed
                .codePoints()
                .filter(c -> Character.getType(c) != Character.NON_SPACING_MARK)
                .forEach(plain::appendCodePoint);
        return plain.toString();
    }

    private void addPieces(String word, Ids ids) {
        if (word.length() > LONGEST_WORD) {
            ids.add(UNKNOWN);
            return;
        }
        int mark = ids.count;
        for (int start = 0; start < word.length(); ) {
            int end = word.length();
            Integer id = piece(word, start, end);
            while (id == null && --end > start) {
                id = piece(word, start, end);
            }
            if (id == null) {
                ids.count = mark;
                ids.add(UNKNOWN);
                return;
            }
            ids.add(id);
            start = end;
        }
    }

    private @Nullable Integer piece(String word, int start, int end) {
        String piece = word.substring(start, end);
        return vocabulary.get(start == 0 ? piece : "##" + piece);
    }

    private static boolean isDropped(int c) {
        if (c == '\t' || c == '\n' || c == '\r') {
            return false;
        }
        int type = Character.getType(c);
        return c == 0
                || c == 0xFFFD
                || type == Character.CONTROL
                || type == Character.FORMAT
                || type == Character.PRIVATE_USE
                || type == Character.SURROGATE;
    }

    /** Punctuation and Chinese characters are words of their own. */
    private static boolean isAlone(int c) {
        if ((c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126)) {
            return true;
        }
        return switch (Character.getType(c)) {
            case Character.CONNECTOR_PUNCTUATION,
                    Character.DASH_PUNCTUATION,
                    Character.START_PUNCTUATION,
                    Character.END_PUNCTUATION,
                    Character.INITIAL_QUOTE_PUNCTUATION,
                    Character.FINAL_QUOTE_PUNCTUATION,
                    Character.OTHER_PUNCTUATION -> true;
            default -> isChinese(c);
        };
    }

    private static boolean isChinese(int c) {
        return (c >= 0x4E00 && c <= 0x9FFF)
                || (c >= 0x3400 && c <= 0x4DBF)
                || (c >= 0xF900 && c <= 0xFAFF)
                || (c >= 0x20000 && c <= 0x2CEAF)
                || (c >= 0x2F800 && c <= 0x2FA1F);
    }

    /** Ids as they come; what exceeds the model's length is only noted. */
    private static final class Ids {
        private final int[] ids;
        private int count;
        private boolean truncated;

        Ids(int length) {
            ids = new int[length];
        }

        boolean full() {
            return truncated;
        }

        void add(int id) {
            if (count < ids.length - 1) {
                ids[count++] = id;
            } else {
                truncated = true;
            }
        }

        Tokens end() {
            ids[count++] = SEPARATE;
            return new Tokens(Arrays.copyOf(ids, count), truncated);
        }
    }
}
