/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;

/**
 * Learns a byte-level byte pair encoding in the form of GPT-2 and writes the files that Hugging Face's tokenizers read:
 * the most frequent pair of adjacent tokens becomes a token, again and again; of equally frequent pairs the one that is
 * first in the vocabulary. The same texts give the same files. Thread-safe; it keeps the different words in memory.
 *
 * @see <a href="https://arxiv.org/abs/1508.07909">Sennrich et al., Neural Machine Translation of Rare Words with Subword
 *     Units</a>
 */
public final class BytePairTraining {
    /** The bytes and the end of text: no vocabulary is smaller. */
    public static final int SMALLEST_VOCABULARY = 257;

    /** What is seen once is no pattern. */
    private static final int FEWEST = 2;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final List<String> vocabulary = new ArrayList<>();
    private final Set<String> known = new HashSet<>();
    private final List<Pair> merges = new ArrayList<>();
    private final Map<Pair, Long> counts = new HashMap<>();
    private final Map<Pair, Set<Word>> places = new HashMap<>();
    /** Pairs by count; what is first in it is merged next. */
    private final TreeSet<Ranked> ranking = new TreeSet<>();

    private BytePairTraining() {}

    /**
     * Learns from texts and writes {@code tokenizer.json}, {@code vocab.json}, {@code merges.txt},
     * {@code tokenizer_config.json} and {@code special_tokens_map.json}.
     *
     * @param texts what to learn from
     * @param size how many tokens there may be, {@link #SMALLEST_VOCABULARY} or more; fewer when no pair is left that
     *     occurs twice
     * @param contextLength the longest text of the model, in tokens
     * @param directory where to write, made when it is not there
     * @return how many tokens there are, the end of text among them
     * @throws UncheckedIOException when a file cannot be written
     */
    public static int learn(Iterable<String> texts, int size, int contextLength, Path directory) {
        if (size < SMALLEST_VOCABULARY) {
            throw new IllegalArgumentException("size is " + size + ", but must be " + SMALLEST_VOCABULARY + " or more");
        }
        BytePairTraining training = new BytePairTraining();
        training.read(texts);
        while (training.vocabulary.size() < size - 1 && training.mergeBest()) {
            // Each merge adds a token.
        }
        try {
            training.write(directory, contextLength);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return training.vocabulary.size() + 1;
    }

    private void read(Iterable<String> texts) {
        for (int value = 0; value < 256; value++) {
            addToken(BytePairFiles.charOf(value));
        }
        Map<String, Integer> frequencies = new TreeMap<>();
        for (String text : texts) {
            Matcher matcher = BytePairTokenizer.words(text);
            while (matcher.find()) {
                frequencies.merge(matcher.group(), 1, Integer::sum);
            }
        }
        frequencies.forEach((text, count) -> {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            int[] tokens = new int[bytes.length];
            for (int i = 0; i < bytes.length; i++) {
                tokens[i] = bytes[i] & 0xFF;
            }
            Word word = new Word(count, tokens);
            countPairs(word, 1);
        });
    }

    private int addToken(String token) {
        vocabulary.add(token);
        known.add(token);
        return vocabulary.size() - 1;
    }

    /** {@return whether there was a pair to merge} */
    private boolean mergeBest() {
        Ranked best = ranking.pollFirst();
        if (best == null || best.count() < FEWEST) {
            return false;
        }
        Pair pair = best.pair();
        counts.remove(pair);
        String token = vocabulary.get(pair.left()) + vocabulary.get(pair.right());
        if (known.contains(token)) {
            // Another way to the same token; a token has one id.
            return true;
        }
        int id = addToken(token);
        merges.add(pair);
        for (Word word : List.copyOf(places.getOrDefault(pair, Set.of()))) {
            countPairs(word, -1);
            word.merge(pair, id);
            countPairs(word, 1);
        }
        return true;
    }

    private void countPairs(Word word, int sign) {
        for (int i = 0; i + 1 < word.tokens.length; i++) {
            Pair pair = new Pair(word.tokens[i], word.tokens[i + 1]);
            long before = counts.getOrDefault(pair, 0L);
            long after = before + (long) sign * word.count;
            ranking.remove(new Ranked(before, pair));
            if (after > 0) {
                counts.put(pair, after);
                ranking.add(new Ranked(after, pair));
                if (sign > 0) {
                    places.computeIfAbsent(pair, unseen -> new HashSet<>()).add(word);
                }
            } else {
                counts.remove(pair);
            }
        }
    }

    private void write(Path directory, int contextLength) throws IOException {
        Files.createDirectories(directory);
        int end = vocabulary.size();
        ObjectNode tokens = JSON.createObjectNode();
        for (int id = 0; id < end; id++) {
            tokens.put(vocabulary.get(id), id);
        }
        tokens.put(Tokenizer.END_OF_TEXT, end);
        StringBuilder mergeLines = new StringBuilder("#version: 0.2\n");
        ArrayNode pairs = JSON.createArrayNode();
        for (Pair merge : merges) {
            String left = vocabulary.get(merge.left());
            String right = vocabulary.get(merge.right());
            mergeLines.append(left).append(' ').append(right).append('\n');
            pairs.addArray().add(left).add(right);
        }
        Files.writeString(directory.resolve("vocab.json"), JSON.writeValueAsString(tokens));
        Files.writeString(directory.resolve("merges.txt"), mergeLines);
        Files.writeString(directory.resolve("tokenizer.json"), JSON.writeValueAsString(tokenizer(tokens, pairs, end)));
        ObjectNode specials = JSON.createObjectNode();
        for (String name : List.of("bos_token", "eos_token", "unk_token")) {
            specials.put(name, Tokenizer.END_OF_TEXT);
        }
        Files.writeString(directory.resolve("special_tokens_map.json"), JSON.writeValueAsString(specials));
        specials.put("add_prefix_space", false);
        specials.put("model_max_length", contextLength);
        specials.put("tokenizer_class", "GPT2Tokenizer");
        Files.writeString(directory.resolve("tokenizer_config.json"), JSON.writeValueAsString(specials));
    }

    private static ObjectNode tokenizer(ObjectNode vocabulary, ArrayNode merges, int end) {
        ObjectNode tokenizer = JSON.createObjectNode();
        tokenizer.put("version", "1.0").putNull("truncation").putNull("padding");
        tokenizer
                .putArray("added_tokens")
                .addObject()
                .put("id", end)
                .put("content", Tokenizer.END_OF_TEXT)
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", false)
                .put("special", true);
        tokenizer.putNull("normalizer");
        for (String part : List.of("pre_tokenizer", "post_processor", "decoder")) {
            tokenizer
                    .putObject(part)
                    .put("type", "ByteLevel")
                    .put("add_prefix_space", false)
                    .put("trim_offsets", true)
                    .put("use_regex", true);
        }
        ObjectNode model = tokenizer.putObject("model");
        model.put("type", "BPE").putNull("dropout").putNull("unk_token");
        model.put("continuing_subword_prefix", "").put("end_of_word_suffix", "");
        model.put("fuse_unk", false).put("byte_fallback", false);
        model.set("vocab", vocabulary);
        model.set("merges", merges);
        return tokenizer;
    }

    private record Pair(int left, int right) {}

    private record Ranked(long count, Pair pair) implements Comparable<Ranked> {
        @Override
        public int compareTo(Ranked other) {
            if (count != other.count) {
                return Long.compare(other.count, count);
            }
            return pair.left() != other.pair.left()
                    ? Integer.compare(pair.left(), other.pair.left())
                    : Integer.compare(pair.right(), other.pair.right());
        }
    }

    /** A word, how often it occurs, and what it is made of now. Compared by identity. */
    private static final class Word {
        private final int count;
        private int[] tokens;

        Word(int count, int[] tokens) {
            this.count = count;
            this.tokens = tokens;
        }

        void merge(Pair pair, int id) {
            IntList merged = new IntList();
            int at = 0;
            while (at < tokens.length) {
                boolean here = at + 1 < tokens.length && tokens[at] == pair.left() && tokens[at + 1] == pair.right();
                merged.add(here ? id : tokens[at]);
                at += here ? 2 : 1;
            }
            tokens = merged.toArray();
        }
    }
}
