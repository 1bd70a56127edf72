/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.Embedding;
import io.balancedllm.cache.semantic.onnx.MiniLmEmbedder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VetoTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "numbers | How many people live in 3 towns? | How many people live in 4 towns?",
                "numbers | Round 2.5 up | Round 25 up",
                "numbers | What is new in version 9? | What is new in version?",
                "numbers | Give me three examples | Give me five examples",
                "units | How far is it in miles? | How far is it in kilometers?",
                "units | Are you open on Monday? | Are you open on Sunday?",
                "units | How much is that in $? | How much is that in €?",
                "negation | Which plants are poisonous? | Which plants are not poisonous?",
                "negation | I can log in | I can't log in",
                "negation | coffee with milk | coffee without milk",
                "antonyms | how to mount a disk | how to unmount a disk",
                "antonyms | is that legal here | is that illegal here",
                "antonyms | show the cheapest one | show the most expensive one",
                "antonyms | increasing the limit | decreasing the limit",
                "question | When was it built? | Where was it built?",
                "question | How much does it weigh? | How long does it weigh?",
                "names | What is the tallest tower in Berlin? | What is the tallest tower in Rome?",
                "quotes | What does 'ahoj' mean? | What does 'salut' mean?",
                "quotes | Explain foo_bar in this code | Explain foo_baz in this code",
                "order | Send money from Anna to Ben | Send money from Ben to Anna",
                "order | The train leaves Lyon at noon and reaches Nice | The train leaves Nice at noon and reaches Lyon",
                "order | The old bridge stands west of the new harbour | The old harbour stands west of the new bridge",
                "order | is a dog bigger than a wolf | is a wolf bigger than a dog",
                "language | Wie ist das Wetter in der Stadt? | How is the weather in the city?",
                "language | weather | погода",
            })
    void textsThatMeanOtherThingsAreKeptApart(String veto, String a, String b) {
        assertThat(Veto.values()).anySatisfy(value -> {
            assertThat(value).hasToString(veto);
            assertThat(value.differ(new VetoText(a), new VetoText(b))).isTrue();
            assertThat(value.differ(new VetoText(b), new VetoText(a))).isTrue();
        });
        assertThat(Veto.between(a, b, Veto.all())).isPresent();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "How do I change my address? | How can I change my address?",
                "What is the tallest tower in Berlin? | which tower is the tallest in berlin",
                "Give me 3 examples | Give me three examples",
                "It costs 1,000 dollars | It costs 1000 dollars",
                "I can't log in | I cannot log in",
                "Tell me a story | please tell me a story",
                "Open on Mondays? | Open on Monday?",
                "Explain recursion. | Explain recursion",
                "In Java, how do I sort a list? | How do I sort a list in Java?",
                "Does it work with Linux and Windows? | Does it work with Windows and Linux?",
                "She speaks French, Czech and Greek | She speaks Greek, Czech and French",
                "Who shot the large brown bear? | Who shot the brown large bear?",
                "Which team beat Lyon in the cup? | Lyon was beaten by which team in the cup?",
                "What does 'ahoj' mean? | What is the meaning of ahoj?",
            })
    void textsThatMeanTheSameAreNot(String a, String b) {
        assertThat(Veto.between(a, b, Veto.all())).isEmpty();
        assertThat(Veto.between(b, a, Veto.all())).isEmpty();
    }

    @Test
    void aTextOfAnyKindIsJudgedWithoutAnError() {
        for (String text : List.of(
                "",
                "   ",
                "\uD800",
                "'",
                "\"\"",
                "-".repeat(5_000),
                "a'".repeat(2_000),
                "1,".repeat(2_000),
                "x/".repeat(2_000))) {
            assertThat(Veto.between(text, text + "!", Veto.all())).isNotNull();
        }
    }

    private record Pair(boolean same, String a, String b, double similarity) {}

    /** Pairs the vetoes were not written against: false hits over all adversarial sets, and what they cost in true ones. */
    @Test
    void falseHitsOnAdversarialPairsAreCutAndFewTrueOnesAreLost() throws IOException {
        Path data = Path.of(System.getProperty("reference.data", "../shared")).resolve("data/semantic");
        Assumptions.assumeTrue(Files.isDirectory(data), "no labelled pairs at " + data);
        try (Embedder embedder = MiniLmEmbedder.create()) {
            List<Pair> traps = pairs(embedder, data.resolve("own_trap_pairs.tsv"), 1);
            List<Pair> words = pairs(embedder, data.resolve("pawsx_en_dev_pairs.tsv"), 4);

            assertThat(kept(traps, false)).as("false hits of the traps").isLessThan(0.1);
            assertThat(kept(traps, true)).as("true hits of the traps").isGreaterThan(0.9);
            assertThat(kept(words, false)).as("false hits of exchanged words").isLessThan(0.5);
            assertThat(kept(words, true)).as("true hits of exchanged words").isGreaterThan(0.9);
        }
    }

    private static double kept(List<Pair> pairs, boolean same) {
        List<Pair> hits = pairs.stream()
                .filter(pair -> pair.same == same && pair.similarity >= MiniLmEmbedder.DEFAULT_THRESHOLD)
                .toList();
        long kept = hits.stream()
                .filter(pair -> Veto.between(pair.a, pair.b, Veto.all()).isEmpty())
                .count();
        return (double) kept / hits.size();
    }

    private static List<Pair> pairs(Embedder embedder, Path file, int every) throws IOException {
        List<Pair> pairs = new ArrayList<>();
        List<String> lines = Files.readAllLines(file);
        for (int i = 0; i < lines.size(); i += every) {
            String[] cells = lines.get(i).split("\t", -1);
            String a = cells[cells.length - 2];
            String b = cells[cells.length - 1];
            List<Embedding> both =
                    embedder.embed(List.of(a, b)).toCompletableFuture().join();
            pairs.add(new Pair(
                    cells[cells.length - 3].equals("1"), a, b, both.get(0).similarity(both.get(1))));
        }
        return pairs;
    }
}
