/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.console.Failure;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.XYSeries.XYSeriesRenderStyle;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws what an engine did under a load: the times between tokens, and what its steps fed. */
final class EngineCharts {
    private static final int WIDTH = 1_200;
    private static final int HEIGHT = 400;
    /** Tokens of streams that lie closer together came of one step: engines hand them out at once. */
    private static final double ONE_STEP = 0.2;

    private static final Color PROMPTS = new Color(0xE6, 0x9F, 0x00);
    private static final Color DECODES = new Color(0x00, 0x72, 0xB2);

    private EngineCharts() {}

    /** Draws the times between tokens of all ways, and below the steps of each. */
    static void draw(String title, Map<String, EngineRun.Load> loads, List<String> stepsOf, Path file) {
        System.setProperty("java.awt.headless", "true"); // a file needs no screen
        List<XYChart> charts = new ArrayList<>();
        charts.add(gaps(title, loads));
        loads.forEach((way, load) -> {
            if (stepsOf.contains(way)) {
                charts.add(steps("what each step fed, prompts " + way, steps(load)));
            }
        });
        try {
            BitmapEncoder.saveBitmap(charts, charts.size(), 1, file.toString(), BitmapFormat.PNG);
        } catch (IOException e) {
            throw new Failure("cannot write " + file + ": " + e.getMessage(), e);
        }
    }

    private static XYChart gaps(String title, Map<String, EngineRun.Load> loads) {
        XYChart chart = chart(title, "seconds since the token before");
        chart.getStyler().setMarkerSize(4);
        chart.getStyler().setYAxisLogarithmic(true);
        loads.forEach((way, load) -> {
            List<double[]> gaps = load.gaps().stream()
                    .sorted((one, other) -> Double.compare(one[0], other[0]))
                    .toList();
            chart.addSeries(way, column(gaps, 0), column(gaps, 1))
                    .setMarker(SeriesMarkers.CIRCLE)
                    .setLineColor(new Color(0, 0, 0, 0));
        });
        return chart;
    }

    /**
     * {@return the steps of a load: when each began and ended, in seconds, tokens decoded and tokens of prompts} A step ends
     * with the tokens it hands out, and what it computed of prompts is kept right after.
     */
    static List<double[]> steps(EngineRun.Load load) {
        List<double[]> tokens = load.gaps().stream()
                .sorted((one, other) -> Double.compare(one[0], other[0]))
                .toList();
        List<double[]> steps = new ArrayList<>();
        double lastToken = Double.NEGATIVE_INFINITY;
        for (double[] token : tokens) {
            double[] step = steps.isEmpty() ? null : steps.get(steps.size() - 1);
            if (step == null || token[0] - lastToken > ONE_STEP * token[1]) {
                steps.add(new double[] {step == null ? Math.max(0, token[0] - token[1]) : step[1], token[0], 1, 0});
            } else {
                step[2]++;
            }
            lastToken = token[0];
        }
        for (double[] block : load.prompts()) {
            for (int i = steps.size() - 1; i >= 0; i--) {
                if (steps.get(i)[1] <= block[0]) {
                    steps.get(i)[3] += block[1];
                    break;
                }
            }
        }
        return steps;
    }

    private static XYChart steps(String title, List<double[]> steps) {
        XYChart chart = chart(title, "tokens in a step");
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setMarkerSize(0);
        double[] ends = new double[2 * steps.size()];
        double[] all = new double[ends.length];
        double[] decodes = new double[ends.length];
        for (int i = 0; i < steps.size(); i++) {
            double[] step = steps.get(i);
            for (int side = 0; side < 2; side++) {
                ends[2 * i + side] = step[side];
                decodes[2 * i + side] = step[2];
                all[2 * i + side] = step[2] + step[3];
            }
        }
        area(chart, "of prompts", PROMPTS, ends, all);
        area(chart, "decoded", DECODES, ends, decodes);
        return chart;
    }

    private static void area(XYChart chart, String name, Color color, double[] x, double[] y) {
        XYSeries series = chart.addSeries(name, x, y);
        series.setXYSeriesRenderStyle(XYSeriesRenderStyle.Area);
        series.setFillColor(color);
        series.setLineColor(color);
        series.setMarker(SeriesMarkers.NONE);
    }

    private static XYChart chart(String title, String vertical) {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("seconds")
                .yAxisTitle(vertical)
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
        chart.getStyler().setLegendLayout(LegendLayout.Vertical);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setXAxisMin(0.0);
        return chart;
    }

    private static double[] column(List<double[]> rows, int index) {
        return rows.stream().mapToDouble(row -> row[index]).toArray();
    }
}
