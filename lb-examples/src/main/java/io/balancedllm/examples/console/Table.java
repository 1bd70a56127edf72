/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.console;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** A table of text with aligned columns. A column is right-aligned where all its cells are numbers. Not thread-safe. */
public final class Table {
    private static final String GAP = "  ";

    private final List<String> head;
    private final List<List<String>> rows = new ArrayList<>();

    /** A table with these column heads. */
    public Table(String... head) {
        this(List.of(head));
    }

    /** A table with these column heads. */
    public Table(List<String> head) {
        this.head = List.copyOf(head);
    }

    /** Adds a row with a cell for each column. */
    public void row(List<String> cells) {
        if (cells.size() != head.size()) {
            throw new IllegalArgumentException("a row has " + head.size() + " cells, got " + cells.size());
        }
        rows.add(List.copyOf(cells));
    }

    /** Adds a row with a cell for each column. */
    public void row(String... cells) {
        row(List.of(cells));
    }

    /** Prints head and rows. */
    public void print(PrintWriter out) {
        print(out, head);
        rows.forEach(row -> print(out, row));
    }

    private void print(PrintWriter out, List<String> cells) {
        StringBuilder line = new StringBuilder();
        for (int column = 0; column < cells.size(); column++) {
            String cell = cells.get(column);
            String padding = " ".repeat(width(column) - cell.length());
            line.append(isNumeric(column) ? padding + cell : cell + padding).append(GAP);
        }
        out.println(line.toString().stripTrailing());
    }

    private int width(int column) {
        return Math.max(
                head.get(column).length(),
                rows.stream().mapToInt(row -> row.get(column).length()).max().orElse(0));
    }

    private boolean isNumeric(int column) {
        return rows.stream().map(row -> row.get(column)).allMatch(cell -> cell.matches("[-+]?[0-9.,]*x?|-|n/a"));
    }
}
