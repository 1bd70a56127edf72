/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.simulate;

import io.balancedllm.examples.console.Failure;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Bars in a PNG file: a group for each name, a bar in it for each measure. */
public final class Plot {
    private static final int WIDTH = 1_200;
    private static final int HEIGHT = 600;
    private static final int LABEL_DEGREES = 30;
    private static final int UPRIGHT_DEGREES = 90;
    /** Names that are written upright, so that they do not cover each other. */
    private static final int MANY = 25;

    private final CategoryChart chart;
    private final List<String> names;

    /**
     * A plot without bars.
     *
     * @param title what is above it
     * @param unit what its axis counts
     * @param names of the groups
     */
    public Plot(String title, String unit, List<String> names) {
        this.names = List.copyOf(names);
        System.setProperty("java.awt.headless", "true"); // a file needs no screen
        chart = new CategoryChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .yAxisTitle(unit)
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.OutsideS);
        chart.getStyler().setLegendLayout(LegendLayout.Horizontal);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setXAxisLabelRotation(names.size() > MANY ? UPRIGHT_DEGREES : LABEL_DEGREES);
        chart.getStyler().setLabelsVisible(false);
    }

    /** Adds a bar to each group, in the order of the names. */
    public void bars(String measure, List<Double> values) {
        chart.addSeries(measure, names, values);
    }

    /** Writes the file. */
    public void write(Path file) {
        try {
            BitmapEncoder.saveBitmap(chart, file.toString(), BitmapFormat.PNG);
        } catch (IOException e) {
            throw new Failure("cannot write " + file + ": " + e.getMessage(), e);
        }
    }
}
