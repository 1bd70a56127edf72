/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.cache;

import io.balancedllm.BalancedLlm;
import io.balancedllm.cache.Embedder;
import io.balancedllm.cache.semantic.Embedders;
import io.balancedllm.cache.semantic.Veto;
import io.balancedllm.cache.semantic.onnx.MiniLmEmbedder;
import io.balancedllm.completion.EmbeddingRequest;
import io.balancedllm.completion.Prompt;
import io.balancedllm.examples.console.Failure;
import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.console.Table;
import io.balancedllm.openai.OpenAiBackend;
import io.balancedllm.time.Ticker;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * How often the semantic cache answers, and how often wrongly, on pairs of texts somebody has judged; beside the
 * thresholds of other caches over the same embedder.
 */
@Command(
        name = "cache-report",
        description =
                "Hits and wrong answers of the semantic cache on labelled pairs, beside other caches' thresholds.",
        mixinStandardHelpOptions = true)
public final class CacheReportCommand implements Callable<Integer> {
    private static final List<String> COLUMNS = List.of(
            "data",
            "policy",
            "threshold",
            "entries",
            "requests",
            "hit_share",
            "wrong_share",
            "precision",
            "auc",
            "hit_p50_ms");
    private static final double[] CURVE = {0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99};
    private static final long SEED = 11;
    /** What a remote embedder's texts may be long, in characters: about 512 tokens. */
    private static final int REMOTE_CHARS = 1_500;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = "--pairs",
            paramLabel = "FILE",
            description = "Lines of label<TAB>a<TAB>b, label 1 = one answer serves both; or GPTCache's mock_data.json."
                    + " Default: a few built in.")
    private List<Path> files = new ArrayList<>();

    @Option(
            names = "--embedder",
            paramLabel = "minilm|ngram|URL",
            description = "minilm in this process, ngram without a model, or an OpenAI endpoint. Default: minilm.")
    private String embedder = "minilm";

    @Option(names = "--model", paramLabel = "NAME", description = "The embedding model of the endpoint.")
    private @Nullable String model;

    @Option(
            names = "--threshold",
            paramLabel = "X",
            description = "Our threshold; several make several rows. Default: the embedder's.")
    private List<Double> thresholds = new ArrayList<>();

    @Option(names = "--plot", paramLabel = "FILE", description = "Writes wrong answers against hits of the last data.")
    private @Nullable Path plot;

    @Option(names = "--json", description = "Prints one JSON object for each row of the main table and nothing else.")
    private boolean json;

    @Override
    public Integer call() {
        if (thresholds.stream().anyMatch(threshold -> !(threshold > 0 && threshold <= 1))) {
            throw new ParameterException(spec.commandLine(), "--threshold must be above 0 and at most 1");
        }
        List<LabelledPairs> sets = files.isEmpty()
                ? List.of(LabelledPairs.builtIn())
                : files.stream().map(LabelledPairs::read).toList();
        if (embedder.equals("minilm") || embedder.equals("ngram")) {
            try (Embedder local = local()) {
                report(sets, local);
            }
        } else {
            try (BalancedLlm llm = BalancedLlm.builder()
                    .endpoint("embedder", OpenAiBackend.at(embedder))
                    .build()) {
                report(sets, remote(llm));
            } catch (IllegalArgumentException e) {
                throw new ParameterException(
                        spec.commandLine(), "--embedder is minilm, ngram or a URL: " + e.getMessage(), e);
            }
        }
        return ExitCode.OK;
    }

    private Embedder local() {
        try {
            return embedder.equals("ngram") ? Embedders.nGram() : MiniLmEmbedder.create();
        } catch (IllegalStateException e) {
            throw new Failure(e.getMessage() + "; or use --embedder ngram", e);
        }
    }

    private Embedder remote(BalancedLlm llm) {
        String name = model;
        if (name == null) {
            throw new ParameterException(spec.commandLine(), "--embedder URL needs --model");
        }
        int dimension = llm.embed(EmbeddingRequest.builder(new Prompt.Text("dimension"))
                        .model(name)
                        .build())
                .vectors()
                .get(0)
                .length;
        return Embedders.remote(llm, name, dimension, REMOTE_CHARS, Embedder.DEFAULT_THRESHOLD);
    }

    private void report(List<LabelledPairs> sets, Embedder used) {
        KnownEmbeddings embeddings = new KnownEmbeddings(used, Ticker.system());
        List<Double> ours = thresholds.isEmpty() ? List.of(used.threshold()) : thresholds;
        PrintWriter out = spec.commandLine().getOut();
        Table main = new Table(COLUMNS);
        Table fill = new Table("data", "policy", "threshold", "wrong at 25%", "50%", "75%", "100%");
        Table effects = new Table("data", "veto", "threshold", "true hits", "lost", "false hits", "cut");
        for (LabelledPairs data : sets) {
            CacheReplay replay = new CacheReplay(data, embeddings, Ticker.system(), SEED);
            replay.run(CachePolicy.plain(ours.get(0))); // warms up what the first policy would otherwise pay for
            List<CachePolicy> policies = new ArrayList<>();
            ours.forEach(threshold -> policies.add(CachePolicy.ours(threshold)));
            ours.forEach(threshold -> policies.add(CachePolicy.plain(threshold)));
            policies.addAll(CachePolicy.RIVALS);
            for (CachePolicy policy : policies) {
                CacheReplay.Result result = replay.run(policy);
                if (json) {
                    out.println(jsonRow(data, result));
                }
                main.row(cells(data, result));
                fill.row(fillCells(data, result));
            }
            ours.forEach(threshold -> addEffects(effects, data, replay, threshold));
            if (plot != null) {
                plot(data, replay, plot);
            }
        }
        if (!json) {
            main.print(out);
            out.println();
            fill.print(out);
            out.println();
            effects.print(out);
        }
    }

    private static void addEffects(Table effects, LabelledPairs data, CacheReplay replay, double threshold) {
        for (Veto veto : Veto.values()) {
            effects.row(effect(data, veto.toString(), threshold, replay.effect(Set.of(veto), threshold)));
        }
        effects.row(effect(data, "all", threshold, replay.effect(Veto.all(), threshold)));
    }

    private static String[] effect(LabelledPairs data, String name, double threshold, CacheReplay.Effect effect) {
        return new String[] {
            data.name(),
            name,
            number("%.2f", threshold),
            Integer.toString(effect.trueHits()),
            Integer.toString(effect.trueLost()),
            Integer.toString(effect.falseHits()),
            Integer.toString(effect.falseCut())
        };
    }

    private static void plot(LabelledPairs data, CacheReplay replay, Path file) {
        CurvePlot curves = new CurvePlot(data.name());
        List<CacheReplay.Result> ours = new ArrayList<>();
        List<CacheReplay.Result> plain = new ArrayList<>();
        for (double threshold : CURVE) {
            ours.add(replay.run(CachePolicy.ours(threshold)));
            plain.add(replay.run(CachePolicy.plain(threshold)));
        }
        curves.curve("ours", ours);
        curves.curve("similarity alone", plain);
        CachePolicy.RIVALS.forEach(rival -> curves.curve(rival.name(), List.of(replay.run(rival))));
        curves.write(file);
    }

    private static List<String> cells(LabelledPairs data, CacheReplay.Result result) {
        return List.of(
                data.name(),
                result.policy().name(),
                number("%.2f", result.policy().threshold()),
                Integer.toString(result.entries()),
                Integer.toString(result.requests()),
                number("%.4f", result.hitShare()),
                number("%.4f", result.wrongShare()),
                number("%.4f", result.precision()),
                number("%.4f", result.auc()),
                number("%.3f", result.hitMillis()));
    }

    private static List<String> fillCells(LabelledPairs data, CacheReplay.Result result) {
        List<String> cells = new ArrayList<>(List.of(
                data.name(),
                result.policy().name(),
                number("%.2f", result.policy().threshold())));
        List<Double> points = result.wrongSoFar();
        for (int quarter = 1; quarter <= 4; quarter++) {
            cells.add(number("%.4f", points.get(points.size() * quarter / 4 - 1)));
        }
        return cells;
    }

    private static String number(String pattern, double value) {
        return Double.isNaN(value) ? "n/a" : String.format(Locale.ROOT, pattern, value);
    }

    private static String jsonRow(LabelledPairs data, CacheReplay.Result result) {
        return new JsonLine()
                .put("data", data.name())
                .put("policy", result.policy().name())
                .put("threshold", result.policy().threshold())
                .put("entries", result.entries())
                .put("requests", result.requests())
                .put("hit_share", result.hitShare())
                .put("wrong_share", result.wrongShare())
                .put("precision", orNull(result.precision()))
                .put("auc", orNull(result.auc()))
                .put("hit_p50_ms", orNull(result.hitMillis()))
                .toString();
    }

    private static @Nullable Double orNull(double value) {
        return Double.isNaN(value) ? null : value;
    }
}
