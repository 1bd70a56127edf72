/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.repository;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;

/** {@code docs/defaults.md} says what the code does. */
class DefaultsDocumentTest {
    private static final String DOCUMENT = "docs/defaults.md";
    private static final List<String> LIBRARIES = List.of("lb-core", "lb-cache-semantic", "lb-backend-djl");

    @Test
    void everyValueIsThatOfItsConstant() throws Exception {
        List<List<String>> rows = Repository.tableRows(DOCUMENT);
        assertThat(rows).isNotEmpty();
        List<String> differences = new ArrayList<>();
        for (List<String> row : rows) {
            assertThat(row).as("name, value, constant, meaning").hasSize(4).doesNotContain("");
            String constant = constant(row);
            String value = text(field(constant).get(null));
            if (!value.equals(row.get(1))) {
                differences.add(constant + " is " + value + ", documented as " + row.get(1));
            }
        }

        assertThat(differences).isEmpty();
    }

    @Test
    void everyDefaultThatUsersCanSeeIsDocumented() throws Exception {
        List<String> documented = Repository.tableRows(DOCUMENT).stream()
                .map(DefaultsDocumentTest::constant)
                .toList();
        List<String> missing = new ArrayList<>();
        for (Class<?> type : libraryClasses()) {
            for (Field field : type.getDeclaredFields()) {
                String constant = type.getSimpleName() + "." + field.getName();
                if (isDefault(field) && !documented.contains(constant)) {
                    missing.add("| ? | " + text(field.get(null)) + " | `" + constant + "` | ? |");
                }
            }
        }

        assertThat(missing).as("rows to add to " + DOCUMENT).isEmpty();
    }

    @Test
    void noConstantIsDocumentedTwice() throws IOException {
        assertThat(Repository.tableRows(DOCUMENT).stream().map(DefaultsDocumentTest::constant))
                .doesNotHaveDuplicates();
    }

    private static boolean isDefault(Field field) {
        return field.getName().startsWith("DEFAULT_")
                && Modifier.isPublic(field.getModifiers())
                && Modifier.isStatic(field.getModifiers())
                && Modifier.isPublic(field.getDeclaringClass().getModifiers());
    }

    private static String constant(List<String> row) {
        return row.get(2).replace("`", "");
    }

    private static Field field(String constant) throws Exception {
        List<Field> found = new ArrayList<>();
        for (Class<?> type : libraryClasses()) {
            for (Field field : type.getDeclaredFields()) {
                if (constant.equals(type.getSimpleName() + "." + field.getName())) {
                    found.add(field);
                }
            }
        }
        assertThat(found).as("constants named " + constant).hasSize(1);
        Field field = found.get(0);
        field.setAccessible(true);
        return field;
    }

    /** {@return the top-level classes of the library modules} */
    private static List<Class<?>> libraryClasses() throws Exception {
        List<Class<?>> classes = new ArrayList<>();
        for (Path file : Repository.javaFiles()) {
            Path sources = file.subpath(0, Math.min(4, file.getNameCount()));
            if (LIBRARIES.contains(file.getName(0).toString())
                    && sources.endsWith(Path.of("src", "main", "java"))
                    && !file.endsWith("package-info.java")) {
                String name =
                        sources.relativize(file).toString().replace('/', '.').replaceAll("\\.java$", "");
                classes.add(Class.forName(name, false, DefaultsDocumentTest.class.getClassLoader()));
            }
        }
        return classes;
    }

    /** {@return a value as the document writes it: durations in their largest whole unit, numbers grouped by commas} */
    private static String text(Object value) {
        if (value instanceof Duration duration) {
            if (duration.toNanosPart() != 0) {
                return duration.toMillis() + " ms";
            }
            long seconds = duration.toSeconds();
            return seconds % 86_400 == 0
                    ? seconds / 86_400 + " d"
                    : seconds % 3_600 == 0 ? seconds / 3_600 + " h" : seconds + " s";
        }
        return value instanceof Integer || value instanceof Long
                ? String.format(Locale.ROOT, "%,d", ((Number) value).longValue())
                : String.valueOf(value);
    }
}
