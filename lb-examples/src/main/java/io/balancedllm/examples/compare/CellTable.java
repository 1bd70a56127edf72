/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.compare;

import static io.balancedllm.examples.simulate.ResultFormat.format;

import io.balancedllm.examples.console.Table;
import io.balancedllm.examples.simulate.Plot;
import io.balancedllm.examples.simulate.ResultFormat;
import io.balancedllm.testkit.simulation.SimulationResult;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The runs of the cells that are done, in a CSV file to which each is added as it ends, so that an interrupted comparison
 * goes on where it stopped. Thread-safe.
 */
final class CellTable {
    private static final String HEAD = "cell,n,load,policy,seed," + String.join(",", ResultFormat.COLUMNS);
    private static final int KEY_COLUMNS = 5;
    private static final double WORSE = 1.05;

    /** What is compared, by its place among the numbers. */
    private enum Measure {
        TTFT_P99("TTFT p99", 2),
        TTFT_MEAN("TTFT mean", 3),
        E2E_MEAN("E2E mean", 6);

        private final String title;
        private final int column;

        Measure(String title, int column) {
            this.title = title;
            this.column = column;
        }
    }

    private final Path file;
    /** Numbers by cell, policy and seed. */
    private final Map<String, Map<String, Map<Long, double[]>>> runs = new LinkedHashMap<>();

    CellTable(Path file) throws IOException {
        this.file = file;
        if (Files.exists(file)) {
            for (String line : Files.readAllLines(file)) {
                read(line);
            }
        } else {
            Files.writeString(file, HEAD + "\n");
        }
    }

    private void read(String line) {
        String[] columns = line.split(",", -1);
        if (columns.length != KEY_COLUMNS + ResultFormat.COLUMNS.size() || line.equals(HEAD)) {
            return; // cut when the run before was interrupted: it is made again
        }
        double[] numbers = Arrays.stream(columns)
                .skip(KEY_COLUMNS)
                .mapToDouble(Double::parseDouble)
                .toArray();
        put(String.join(",", columns[0], columns[1], columns[2]), columns[3], Long.parseLong(columns[4]), numbers);
    }

    private void put(String cell, String policy, long seed, double[] numbers) {
        runs.computeIfAbsent(cell, c -> new LinkedHashMap<>())
                .computeIfAbsent(policy, p -> new TreeMap<>())
                .put(seed, numbers);
    }

    synchronized boolean has(Cell cell, String policy, long seed) {
        return runs.getOrDefault(cell.key(), Map.of())
                .getOrDefault(policy, Map.of())
                .containsKey(seed);
    }

    synchronized void add(Cell cell, String policy, long seed, SimulationResult result) throws IOException {
        put(cell.key(), policy, seed, ResultFormat.numbers(result));
        try (BufferedWriter writer = Files.newBufferedWriter(file, StandardOpenOption.APPEND)) {
            writer.write(cell.key() + "," + policy + "," + seed + ResultFormat.csv(result));
            writer.newLine();
        }
    }

    /** Prints how {@code ours} compares with each other policy, cell by cell. Means over seeds; below 1 is better. */
    synchronized void print(String ours, List<String> rivals, PrintWriter out) {
        Table table = new Table("relative to", "cells", "TTFT p99", "range", "TTFT mean", "range", "E2E mean", "range");
        for (String rival : rivals) {
            table.row(row(rival, ours, List.of(rival)));
        }
        if (rivals.size() > 1) {
            table.row(row("best of them", ours, rivals));
        }
        table.print(out);
        if (rivals.isEmpty()) {
            return;
        }
        out.println();
        printWorse(ours, rivals, out);
        out.println();
        printCells(ours, rivals, out);
    }

    private List<String> row(String title, String ours, List<String> rivals) {
        List<String> cells = new ArrayList<>(List.of(title));
        for (Measure measure : Measure.values()) {
            double logs = 0;
            double least = Double.POSITIVE_INFINITY;
            double most = 0;
            int count = 0;
            for (String cell : complete(ours, rivals)) {
                double ratio = mean(cell, ours, measure) / best(cell, rivals, measure);
                logs += Math.log(ratio);
                least = Math.min(least, ratio);
                most = Math.max(most, ratio);
                count++;
            }
            if (cells.size() == 1) {
                cells.add(String.valueOf(count));
            }
            cells.add(count == 0 ? "-" : format("%.3f", Math.exp(logs / count)));
            cells.add(count == 0 ? "-" : format("%.2f..%.2f", least, most));
        }
        return cells;
    }

    private void printWorse(String ours, List<String> rivals, PrintWriter out) {
        out.println("Cells where " + ours + " is worse than the best of them by more than 5 %:");
        int count = 0;
        for (String cell : complete(ours, rivals)) {
            for (Measure measure : Measure.values()) {
                double ratio = mean(cell, ours, measure) / best(cell, rivals, measure);
                if (ratio > WORSE) {
                    out.println(format("  %s %s %.3f", cell, measure.title, ratio));
                    count++;
                }
            }
        }
        if (count == 0) {
            out.println("  none");
        }
    }

    private void printCells(String ours, List<String> rivals, PrintWriter out) {
        Table table = new Table(
                "cell", "N", "load", "TTFT p99 s", "best", "who", "ratio", "E2E mean s", "best", "who", "ratio");
        for (String cell : complete(ours, rivals)) {
            List<String> row = new ArrayList<>(Arrays.asList(cell.split(",", -1)));
            for (Measure measure : List.of(Measure.TTFT_P99, Measure.E2E_MEAN)) {
                double own = mean(cell, ours, measure);
                double best = best(cell, rivals, measure);
                row.add(format("%.3f", own));
                row.add(format("%.3f", best));
                row.add(rivals.stream()
                        .filter(rival -> mean(cell, rival, measure) == best)
                        .findFirst()
                        .orElse(""));
                row.add(format("%.3f", own / best));
            }
            table.row(row);
        }
        table.print(out);
    }

    /** Draws how {@code ours} compares with the best of the others in each cell, as bars; below 1 is better. */
    synchronized void plot(String ours, List<String> rivals, Path image) {
        List<String> cells = complete(ours, rivals);
        Plot chart = new Plot(ours + " over the best of " + String.join(", ", rivals), "ratio", cells);
        for (Measure measure : List.of(Measure.TTFT_P99, Measure.E2E_MEAN)) {
            chart.bars(
                    measure.title,
                    cells.stream()
                            .map(cell -> mean(cell, ours, measure) / best(cell, rivals, measure))
                            .toList());
        }
        chart.write(image);
    }

    private List<String> complete(String ours, List<String> rivals) {
        return runs.keySet().stream()
                .filter(cell -> runs.getOrDefault(cell, Map.of()).containsKey(ours))
                .filter(cell -> runs.getOrDefault(cell, Map.of()).keySet().containsAll(rivals))
                .toList();
    }

    private double best(String cell, List<String> rivals, Measure measure) {
        return rivals.stream()
                .mapToDouble(rival -> mean(cell, rival, measure))
                .min()
                .orElse(Double.NaN);
    }

    private double mean(String cell, String policy, Measure measure) {
        return runs.getOrDefault(cell, Map.of()).getOrDefault(policy, Map.of()).values().stream()
                .mapToDouble(numbers -> numbers[measure.column])
                .average()
                .orElse(Double.NaN);
    }
}
