/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.console.Table;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;

/**
 * One figure of ours beside that of an alternative.
 *
 * @param what what was measured
 * @param unit of what
 * @param ours our figure
 * @param alternative what it is compared with
 * @param theirs its figure
 */
record Comparison(String what, String unit, double ours, String alternative, double theirs) {
    double ratio() {
        return ours / theirs;
    }

    static void print(PrintWriter out, boolean json, String benchmark, List<Comparison> comparisons) {
        if (json) {
            comparisons.forEach(row -> out.println(row.json(benchmark)));
            return;
        }
        Table table = new Table("measured", "unit", "ours", "alternative", "theirs", "ratio");
        comparisons.forEach(row -> table.row(
                row.what,
                row.unit,
                number(row.ours),
                row.alternative,
                number(row.theirs),
                String.format(Locale.ROOT, "%.3f", row.ratio())));
        table.print(out);
    }

    private String json(String benchmark) {
        return new JsonLine()
                .put("benchmark", benchmark)
                .put("measured", what)
                .put("unit", unit)
                .put("ours", ours)
                .put("alternative", alternative)
                .put("theirs", theirs)
                .put("ratio", ratio())
                .toString();
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, value < 10 ? "%.2f" : "%.1f", value);
    }
}
