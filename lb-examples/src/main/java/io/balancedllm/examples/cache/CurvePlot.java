/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.cache;

import io.balancedllm.examples.console.Failure;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Wrong answers against hits, in a PNG file: a curve over thresholds for us and for similarity alone, points for others. */
final class CurvePlot {
    private static final int WIDTH = 900;
    private static final int HEIGHT = 600;

    private final XYChart chart;

    CurvePlot(String data) {
        System.setProperty("java.awt.headless", "true"); // a file needs no screen
        chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(data)
                .xAxisTitle("hits, share of all requests")
                .yAxisTitle("wrong answers, share of all requests")
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.InsideNW);
    }

    void curve(String name, List<CacheReplay.Result> results) {
        List<Double> hits = new ArrayList<>();
        List<Double> wrong = new ArrayList<>();
        for (CacheReplay.Result result : results) {
            hits.add(result.hitShare());
            wrong.add(result.wrongShare());
        }
        chart.addSeries(name, hits, wrong);
    }

    void write(Path file) {
        try {
            BitmapEncoder.saveBitmap(chart, file.toString(), BitmapFormat.PNG);
        } catch (IOException e) {
            throw new Failure("cannot write " + file + ": " + e.getMessage(), e);
        }
    }
}
