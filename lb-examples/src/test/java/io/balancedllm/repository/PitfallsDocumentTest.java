/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.repository;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** {@code docs/pitfalls.md} names tests that exist. */
class PitfallsDocumentTest {
    private static final String DOCUMENT = "docs/pitfalls.md";
    private static final String OPEN = "open";
    private static final Pattern REFERENCE = Pattern.compile("`(\\w+)#(\\w+)`");
    /** Tests, and after them what they leave open, if anything. */
    private static final Pattern REFERENCES = Pattern.compile("`\\w+#\\w+`(?:, `\\w+#\\w+`)*(?:; open: .+)?");

    @Test
    void everyPitfallHasItsRow() throws IOException {
        List<String> expected = Stream.of("A 9", "B 9", "C 20", "D 13", "E 8", "F 5")
                .map(group -> group.split(" ", -1))
                .flatMap(group ->
                        IntStream.rangeClosed(1, Integer.parseInt(group[1])).mapToObj(number -> group[0] + number))
                .toList();

        assertThat(Repository.tableRows(DOCUMENT).stream().map(row -> row.get(0)))
                .containsExactlyElementsOf(expected);
    }

    @Test
    void everyRowNamesItsTestsOrSaysThatItIsOpen() throws IOException {
        assertThat(Repository.tableRows(DOCUMENT)).allSatisfy(row -> {
            assertThat(row).hasSize(3).doesNotContain("");
            if (!row.get(2).equals(OPEN)) {
                assertThat(row.get(2)).matches(REFERENCES);
            }
        });
    }

    @Test
    void everyTestThatIsNamedExists() throws IOException {
        Map<String, String> sources = testSources();
        List<String> missing = new ArrayList<>();
        for (List<String> row : Repository.tableRows(DOCUMENT)) {
            Matcher reference = REFERENCE.matcher(row.get(2));
            while (reference.find()) {
                if (!hasTest(sources.getOrDefault(reference.group(1), ""), reference.group(2))) {
                    missing.add(row.get(0) + ": " + reference.group());
                }
            }
        }

        assertThat(missing).isEmpty();
    }

    @Test
    void aMethodThatIsNoTestOrIsDisabledDoesNotCount() {
        assertThat(hasTest("@Test\n    void works() {}", "works")).isTrue();
        assertThat(hasTest("@ParameterizedTest\n @ValueSource(ints = {1, 2})\n void works(int i) {}", "works"))
                .isTrue();
        assertThat(hasTest("@Test void other() {} void works() {}", "works")).isFalse();
        assertThat(hasTest("@Test @Disabled void works() {}", "works")).isFalse();
    }

    /** {@return the sources in which tests may be, by simple class name; contracts of the testkit are among them} */
    private static Map<String, String> testSources() throws IOException {
        Map<String, String> sources = new LinkedHashMap<>();
        for (Path file : Repository.javaFiles()) {
            if (file.toString().contains("src/test/") || file.startsWith("lb-testkit")) {
                String name = String.valueOf(file.getFileName()).replace(".java", "");
                sources.merge(name, Repository.read(file), String::concat);
            }
        }
        return sources;
    }

    private static boolean hasTest(String source, String method) {
        Matcher declaration = Pattern.compile(
                        "((?:@\\w+(?:\\([^)]*\\))?\\s+)+)(?:public |protected |final )*void " + method + "\\(")
                .matcher(source);
        return declaration.find()
                && declaration.group(1).contains("Test")
                && !declaration.group(1).contains("@Disabled");
    }
}
