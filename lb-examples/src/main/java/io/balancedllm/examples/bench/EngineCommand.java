/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.djl.Gpt2Backend;
import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.console.Table;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
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
    private static final int WARM_UP_PROMPTS = 3;
    private static final int PREFIXES = 7;
    private static final String WHOLE = "whole";
    private static final String CHUNKED = "chunked";
    private static final String BESIDE = "beside";

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(names = "--cores", paramLabel = "N", description = "Threads to compute with, in each place. Default: 2.")
    private int cores = 2;

    @Option(names = "--decodes", paramLabel = "N", description = "Streams that run. Default: 4.")
    private int decodes = 4;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds; in each all ways take turns. Default: 3.")
    private int rounds = 3;

    @Option(names = "--prompts", paramLabel = "N", description = "Prompts that come in a round. Default: 4.")
    private int prompts = 4;

    @Option(names = "--prompt-tokens", paramLabel = "N", description = "Tokens of each. Default: 900.")
    private int promptTokens = 900;

    @Option(names = "--prefix-tokens", paramLabel = "N", description = "Tokens that are cached. Default: 240.")
    private int prefixTokens = 240;

    @Option(names = "--model", paramLabel = "DIR", description = "A model directory instead of drawn weights.")
    private @Nullable Path model;

    @Option(
            names = "--plot",
            paramLabel = "FILE",
            description = "Draws the streams' times between tokens and what steps fed, as a PNG.")
    private @Nullable Path plot;

    @Option(names = "--json", description = "Prints one JSON object for each row and nothing else.")
    private boolean json;

    @Override
    public Integer call() {
        if (cores < 1 || decodes < 1 || rounds < 1 || prompts < 1 || promptTokens < 2 || prefixTokens < 1) {
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
        Map<String, List<EngineRun.Load>> loads = new LinkedHashMap<>();
        double[] firstTokens;
        try (Gpt2Backend whole = builder(directory)
                        .promptStretch(Double.POSITIVE_INFINITY)
                        .build();
                Gpt2Backend chunked = builder(directory).build();
                Gpt2Backend beside = builder(directory).prefillOn("cpu").build()) {
            firstTokens = firstTokens(new EngineRun(chunked));
            Map<String, EngineRun> runs = new LinkedHashMap<>();
            runs.put(WHOLE, new EngineRun(whole));
            runs.put(CHUNKED, new EngineRun(chunked));
            runs.put(BESIDE, new EngineRun(beside));
            // Costs are learned, code is compiled.
            runs.forEach((way, run) -> run.under(decodes, WARM_UP_PROMPTS, promptTokens));
            for (int round = 0; round < rounds; round++) {
                runs.forEach((way, run) -> loads.computeIfAbsent(way, unused -> new ArrayList<>())
                        .add(run.under(decodes, prompts, promptTokens)));
            }
        }
        print(firstTokens, loads);
        Path file = plot;
        if (file != null) {
            Map<String, EngineRun.Load> last = new LinkedHashMap<>();
            loads.forEach((way, all) -> last.put(way, all.get(all.size() - 1)));
            String title = decodes + " streams while prompts of " + promptTokens + " tokens come";
            EngineCharts.draw(title, last, List.of(WHOLE, CHUNKED), file);
        }
    }

    private Gpt2Backend.Builder builder(Path directory) {
        return Gpt2Backend.builder(directory).threads(cores);
    }

    /** {@return median seconds to the first token, new and again} The first prompts warm up. */
    private double[] firstTokens(EngineRun run) {
        List<Double> cold = new ArrayList<>();
        List<Double> warm = new ArrayList<>();
        for (int i = -2; i < PREFIXES; i++) {
            double[] seconds = run.firstTokens(prefixTokens + 1);
            if (i >= 0) {
                cold.add(seconds[0]);
                warm.add(seconds[1]);
            }
        }
        return new double[] {EngineRun.quantile(cold, EngineRun.MEDIAN), EngineRun.quantile(warm, EngineRun.MEDIAN)};
    }

    private void print(double[] firstTokens, Map<String, List<EngineRun.Load>> loads) {
        var out = spec.commandLine().getOut();
        List<EngineRun.Load> chunked = loads.getOrDefault(CHUNKED, List.of());
        if (json) {
            out.println(new JsonLine()
                    .put("benchmark", "engine")
                    .put("row", "prefix")
                    .put("tokens", prefixTokens)
                    .put("new_ms", firstTokens[0] * MILLIS)
                    .put("again_ms", firstTokens[1] * MILLIS)
                    .put("ratio", firstTokens[1] / firstTokens[0]));
            loads.forEach((way, rows) -> out.println(new JsonLine()
                    .put("benchmark", "engine")
                    .put("row", way)
                    .put("tpot_p50_ms", median(rows, EngineRun.Load::tpot) * MILLIS)
                    .put("tpot_p99_ms", median(rows, EngineRun.Load::tpotP99) * MILLIS)
                    .put("tpot_p99_to_chunked", ratio(rows, chunked, EngineRun.Load::tpotP99))
                    .put("ttft_p50_ms", median(rows, EngineRun.Load::ttft) * MILLIS)
                    .put("ttft_p50_to_chunked", ratio(rows, chunked, EngineRun.Load::ttft))
                    .put("decode_tok_s", median(rows, EngineRun.Load::tokensPerSecond))));
            return;
        }
        Table prefix = new Table("prompt", "new ms", "again ms", "ratio");
        prefix.row(
                prefixTokens + " tokens cached",
                number(firstTokens[0] * MILLIS),
                number(firstTokens[1] * MILLIS),
                share(firstTokens[1] / firstTokens[0]));
        prefix.print(out);
        out.println();
        Table table = new Table(
                "prompts", "tpot p50 ms", "tpot p99 ms", "to chunked", "ttft p50 ms", "to chunked", "decode tok/s");
        loads.forEach((way, rows) -> table.row(
                way,
                number(median(rows, EngineRun.Load::tpot) * MILLIS),
                number(median(rows, EngineRun.Load::tpotP99) * MILLIS),
                share(ratio(rows, chunked, EngineRun.Load::tpotP99)),
                number(median(rows, EngineRun.Load::ttft) * MILLIS),
                share(ratio(rows, chunked, EngineRun.Load::ttft)),
                number(median(rows, EngineRun.Load::tokensPerSecond))));
        table.print(out);
    }

    private static double median(List<EngineRun.Load> rounds, ToDoubleFunction<EngineRun.Load> figure) {
        return EngineRun.quantile(rounds.stream().map(figure::applyAsDouble).toList(), EngineRun.MEDIAN);
    }

    /** {@return the median over the rounds of one way's figure to the other's in the same round} */
    private static double ratio(
            List<EngineRun.Load> rounds, List<EngineRun.Load> others, ToDoubleFunction<EngineRun.Load> figure) {
        List<Double> ratios = new ArrayList<>();
        for (int i = 0; i < rounds.size(); i++) {
            ratios.add(figure.applyAsDouble(rounds.get(i)) / figure.applyAsDouble(others.get(i)));
        }
        return EngineRun.quantile(ratios, EngineRun.MEDIAN);
    }

    private static String share(double value) {
        return String.format(Locale.ROOT, "%.3f", value);
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }
}
