/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.djl.Gpt2Backend;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.console.Table;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What the engine of the in-process GPT-2 does for first tokens and for running streams. */
@Command(
        name = "engine",
        description = "A prompt again against a new one, and running streams while long prompts come: fed whole, in"
                + " chunks, and computed beside the engine. GPT-2's smallest shape with drawn weights, on the CPU.",
        mixinStandardHelpOptions = true)
public final class EngineCommand implements Callable<Integer> {
    private static final double MILLIS = 1e3;
    private static final double MEDIAN = 0.5;
    private static final double P99 = 0.99;
    private static final int WIDTH = 1_200;
    private static final int HEIGHT = 500;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(names = "--cores", paramLabel = "N", description = "Cores to compute on, for each way. Default: 2.")
    private int cores = 2;

    @Option(names = "--decodes", paramLabel = "N", description = "Streams that run. Default: 4.")
    private int decodes = 4;

    @Option(names = "--prompts", paramLabel = "N", description = "Prompts that come. Default: 6.")
    private int prompts = 6;

    @Option(names = "--prompt-tokens", paramLabel = "N", description = "Tokens of each. Default: 900.")
    private int promptTokens = 900;

    @Option(names = "--prefix-tokens", paramLabel = "N", description = "Tokens that are cached. Default: 240.")
    private int prefixTokens = 240;

    @Option(names = "--model", paramLabel = "DIR", description = "A model directory instead of drawn weights.")
    private @Nullable Path model;

    @Option(names = "--plot", paramLabel = "FILE", description = "Draws the streams' times between tokens as a PNG.")
    private @Nullable Path plot;

    @Option(names = "--json", description = "Prints one JSON object for each row and nothing else.")
    private boolean json;

    @Override
    public Integer call() {
        if (cores < 1 || decodes < 1 || prompts < 1 || promptTokens < 2 || prefixTokens < 1) {
            throw new ParameterException(spec.commandLine(), "all counts must be at least 1, --prompt-tokens 2");
        }
        Path given = model;
        if (given != null) {
            run(given);
        } else {
            try (DrawnModel drawn = DrawnModel.write()) {
                run(drawn.directory());
            }
        }
        return ExitCode.OK;
    }

    private void run(Path directory) {
        double[] firstTokens;
        try (Gpt2Backend backend = Gpt2Backend.builder(directory).threads(cores).build()) {
            firstTokens = firstTokens(new EngineRun(backend));
        }
        Map<String, EngineRun.Load> loads = new LinkedHashMap<>();
        loads.put("whole", load(Gpt2Backend.builder(directory).threads(cores).promptStretch(Double.POSITIVE_INFINITY)));
        loads.put("chunked", load(Gpt2Backend.builder(directory).threads(cores)));
        loads.put(
                "beside",
                load(Gpt2Backend.builder(directory)
                        .threads(Math.max(1, cores / 2))
                        .prefillOn("cpu")));
        print(firstTokens, loads);
        Path file = plot;
        if (file != null) {
            draw(loads, file);
        }
    }

    /** {@return median seconds to the first token, new and again} The first prompts warm up. */
    private double[] firstTokens(EngineRun run) {
        List<Double> cold = new ArrayList<>();
        List<Double> warm = new ArrayList<>();
        for (int i = -2; i < prompts; i++) {
            double[] seconds = run.firstTokens(prefixTokens + 1);
            if (i >= 0) {
                cold.add(seconds[0]);
                warm.add(seconds[1]);
            }
        }
        return new double[] {EngineRun.quantile(cold, MEDIAN), EngineRun.quantile(warm, MEDIAN)};
    }

    private EngineRun.Load load(Gpt2Backend.Builder builder) {
        try (Gpt2Backend backend = builder.build()) {
            EngineRun run = new EngineRun(backend);
            run.under(decodes, 2, promptTokens); // costs are learned, code is compiled
            return run.under(decodes, prompts, promptTokens);
        }
    }

    private void print(double[] firstTokens, Map<String, EngineRun.Load> loads) {
        var out = spec.commandLine().getOut();
        if (json) {
            out.println(new JsonLine()
                    .put("benchmark", "engine")
                    .put("row", "prefix")
                    .put("tokens", prefixTokens)
                    .put("new_ms", firstTokens[0] * MILLIS)
                    .put("again_ms", firstTokens[1] * MILLIS)
                    .put("ratio", firstTokens[1] / firstTokens[0]));
            loads.forEach((way, load) -> out.println(new JsonLine()
                    .put("benchmark", "engine")
                    .put("row", way)
                    .put("tpot_p50_ms", load.gap(MEDIAN) * MILLIS)
                    .put("tpot_p99_ms", load.gap(P99) * MILLIS)
                    .put("ttft_p50_ms", load.firstToken(MEDIAN) * MILLIS)
                    .put("decode_tok_s", load.tokensPerSecond())));
            return;
        }
        Table prefix = new Table("prompt", "new ms", "again ms", "ratio");
        prefix.row(
                prefixTokens + " tokens cached",
                number(firstTokens[0] * MILLIS),
                number(firstTokens[1] * MILLIS),
                String.format(Locale.ROOT, "%.3f", firstTokens[1] / firstTokens[0]));
        prefix.print(out);
        out.println();
        Table table = new Table("prompts", "tpot p50 ms", "tpot p99 ms", "ttft p50 ms", "decode tok/s");
        loads.forEach((way, load) -> table.row(
                way,
                number(load.gap(MEDIAN) * MILLIS),
                number(load.gap(P99) * MILLIS),
                number(load.firstToken(MEDIAN) * MILLIS),
                number(load.tokensPerSecond())));
        table.print(out);
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }

    private void draw(Map<String, EngineRun.Load> loads, Path file) {
        System.setProperty("java.awt.headless", "true"); // a file needs no screen
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(decodes + " streams while prompts of " + promptTokens + " tokens come")
                .xAxisTitle("seconds")
                .yAxisTitle("seconds since the stream's token before")
                .build();
        chart.getStyler().setLegendPosition(LegendPosition.OutsideS);
        chart.getStyler().setLegendLayout(LegendLayout.Horizontal);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setMarkerSize(4);
        chart.getStyler().setYAxisLogarithmic(true);
        loads.forEach((way, load) -> {
            List<double[]> gaps = load.gaps().stream()
                    .sorted((one, other) -> Double.compare(one[0], other[0]))
                    .toList();
            chart.addSeries(
                            way,
                            gaps.stream().mapToDouble(gap -> gap[0]).toArray(),
                            gaps.stream().mapToDouble(gap -> gap[1]).toArray())
                    .setMarker(SeriesMarkers.CIRCLE)
                    .setLineColor(new Color(0, 0, 0, 0));
        });
        try {
            BitmapEncoder.saveBitmap(chart, file.toString(), BitmapFormat.PNG);
        } catch (IOException e) {
            throw new Failure("cannot write " + file + ": " + e.getMessage(), e);
        }
    }
}
