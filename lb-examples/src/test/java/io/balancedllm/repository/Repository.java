/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.repository;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The checkout the tests run in. */
final class Repository {
    private static final Path ROOT = root();

    private Repository() {}

    private static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        while (!Files.isDirectory(folder.resolve("lb-core"))) {
            folder = folder.getParent();
            if (folder == null) {
                throw new IllegalStateException("no parent of " + Path.of("").toAbsolutePath() + " is the checkout");
            }
        }
        return folder;
    }

    static String read(String path) throws IOException {
        return Files.readString(ROOT.resolve(path));
    }

    static String read(Path path) throws IOException {
        return Files.readString(ROOT.resolve(path));
    }

    /** {@return the Java files of all modules, relative to the checkout, in order} */
    static List<Path> javaFiles() throws IOException {
        List<Path> files = new ArrayList<>();
        try (Stream<Path> modules = Files.list(ROOT)) {
            for (Path module : modules.filter(path -> Files.isDirectory(path.resolve("src")))
                    .sorted()
                    .toList()) {
                try (Stream<Path> tree = Files.walk(module.resolve("src"))) {
                    tree.filter(path -> path.toString().endsWith(".java"))
                            .sorted()
                            .map(ROOT::relativize)
                            .forEach(files::add);
                }
            }
        }
        return files;
    }

    /** {@return the cells of the table rows of a document, one list a row; headings and other lines are left out} */
    static List<List<String>> tableRows(String document) throws IOException {
        List<List<String>> rows = new ArrayList<>();
        boolean underHeading = false;
        for (String line : read(document).split("\n", -1)) {
            if (!line.startsWith("|")) {
                underHeading = false;
            } else if (line.startsWith("|---") || line.startsWith("| ---")) {
                underHeading = true;
            } else if (underHeading) {
                String inside = line.strip().replaceAll("^\\||\\|$", "");
                rows.add(Stream.of(inside.split("\\|", -1)).map(String::strip).toList());
            }
        }
        return rows;
    }
}
