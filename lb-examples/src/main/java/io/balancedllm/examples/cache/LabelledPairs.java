/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.cache;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.balancedllm.examples.console.Failure;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Pairs of texts with a judgement on whether one answer serves both.
 *
 * @param name what they are called in the report
 * @param pairs the pairs
 */
record LabelledPairs(String name, List<Pair> pairs) {
    private static final String BUILT_IN = "pairs.tsv";

    /**
     * A pair.
     *
     * @param same whether one answer serves both
     */
    record Pair(boolean same, String a, String b) {}

    /** {@return the few pairs that come along} */
    static LabelledPairs builtIn() {
        try (InputStream stream = LabelledPairs.class.getResourceAsStream(BUILT_IN)) {
            if (stream == null) {
                throw new IllegalStateException(BUILT_IN + " is missing");
            }
            return new LabelledPairs(
                    "built-in",
                    parse(
                            BUILT_IN,
                            new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))
                                    .lines()
                                    .toList()));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * {@return the pairs of a file} It has lines of label, text and text, columns before the label passed over; or is a JSON
     * array of {@code {"origin": text, "similar": text}}, as GPTCache has its test data, all of which are the same.
     */
    static LabelledPairs read(Path file) {
        try {
            String name = String.valueOf(file.getFileName()).replaceFirst("\\.\\w+$", "");
            if (file.toString().endsWith(".json")) {
                return new LabelledPairs(name, similar(file));
            }
            return new LabelledPairs(name, parse(file.toString(), Files.readAllLines(file)));
        } catch (IOException e) {
            throw new Failure("cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    private static List<Pair> similar(Path file) throws IOException {
        List<Pair> pairs = new ArrayList<>();
        for (JsonNode pair : new ObjectMapper().readTree(file.toFile())) {
            String origin = pair.path("origin").asText();
            String similar = pair.path("similar").asText();
            if (origin.isBlank() || similar.isBlank()) {
                throw new Failure(file + ": element " + pairs.size() + " has no \"origin\" or no \"similar\"", null);
            }
            pairs.add(new Pair(true, origin, similar));
        }
        if (pairs.isEmpty()) {
            throw new Failure(file + " has no pairs", null);
        }
        return pairs;
    }

    private static List<Pair> parse(String name, List<String> lines) {
        List<Pair> pairs = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            if (lines.get(i).isBlank()) {
                continue;
            }
            String[] cells = lines.get(i).split("\t", -1);
            int label = cells.length - 3;
            if (label < 0
                    || !cells[label].matches("[01]")
                    || cells[label + 1].isBlank()
                    || cells[label + 2].isBlank()) {
                throw new Failure(name + ":" + (i + 1) + ": expected label<TAB>a<TAB>b with label 0 or 1", null);
            }
            pairs.add(new Pair(cells[label].equals("1"), cells[label + 1], cells[label + 2]));
        }
        if (pairs.isEmpty()) {
            throw new Failure(name + " has no pairs", null);
        }
        return pairs;
    }

    /** {@return all texts, each once, in the order they come} */
    List<String> texts() {
        Set<String> texts = new LinkedHashSet<>();
        for (Pair pair : pairs) {
            texts.add(pair.a);
            texts.add(pair.b);
        }
        return List.copyOf(texts);
    }

    /** {@return for each text what stands for all texts that one answer serves; pairs make chains} */
    Map<String, String> meanings() {
        Map<String, String> parents = new HashMap<>();
        texts().forEach(text -> parents.put(text, text));
        for (Pair pair : pairs) {
            if (pair.same) {
                parents.put(root(parents, pair.a), root(parents, pair.b));
            }
        }
        Map<String, String> meanings = new HashMap<>();
        texts().forEach(text -> meanings.put(text, root(parents, text)));
        return meanings;
    }

    private static String root(Map<String, String> parents, String text) {
        String root = text;
        for (String parent = parents.get(root); parent != null && !parent.equals(root); parent = parents.get(root)) {
            root = parent;
        }
        return root;
    }
}
