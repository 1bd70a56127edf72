/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.simulate;

import io.balancedllm.examples.console.Failure;
import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.console.Table;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.routing.RoutingPolicy;
import io.balancedllm.testkit.simulation.LeastPendingPromptTokens;
import io.balancedllm.testkit.simulation.SimulatedPrompt;
import io.balancedllm.testkit.simulation.Simulation;
import io.balancedllm.testkit.simulation.SimulationResult;
import io.balancedllm.testkit.simulation.Trace;
import io.balancedllm.time.Ticker;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Replays a trace through the balancer, on engines and time that are simulated, and prints what each policy is worth. An
 * hour of traffic takes about a second.
 */
@Command(
        name = "simulate",
        description = "Replays a trace of LLM traffic on simulated engines, and compares routing policies.",
        mixinStandardHelpOptions = true)
public final class SimulateCommand implements Callable<Integer> {
    /** The columns of the CSV; times in seconds but where they say milliseconds. */
    private static final List<String> COLUMNS = List.of(
            "policy",
            "ttft_p50",
            "ttft_p95",
            "ttft_p99",
            "ttft_mean",
            "tpot_p50_ms",
            "tpot_p99_ms",
            "e2e_mean",
            "hit_tok",
            "hit_vs_inf");

    private static final String COMPARISON = "leastPendingPromptTokens";
    private static final int SHOWN_BROKEN_LINES = 5;
    private static final double MILLIS_PER_SECOND = 1e3;
    private static final double NANOS_PER_SECOND = 1e9;

    private final Ticker ticker = Ticker.system();

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = "--trace",
            paramLabel = "FILE",
            required = true,
            description = "JSON lines as Mooncake's, or CSV as Azure's of 2023; also packed with gzip.")
    @SuppressWarnings("NullAway.Init")
    private Path file;

    @Option(
            names = "--policy",
            paramLabel = "NAME",
            split = ",",
            completionCandidates = PolicyNames.class,
            description = "Policies to compare, with commas between them: ${COMPLETION-CANDIDATES}. Default: all.")
    private List<String> policies = List.of();

    @Option(
            names = "--replicas",
            paramLabel = "N",
            defaultValue = "" + Simulation.DEFAULT_REPLICAS,
            description = "Engines. Default: ${DEFAULT-VALUE}.")
    private int replicas;

    @Option(
            names = "--speeds",
            paramLabel = "F",
            split = ",",
            description = "A factor on the speed of each engine, instead of --replicas: 1,1,0.5.")
    private double @Nullable [] speeds;

    @Option(
            names = "--rate",
            paramLabel = "R",
            description = "Requests a second to stretch or squeeze the trace to. Default: as recorded.")
    private @Nullable Double rate;

    @Option(names = "--limit", paramLabel = "K", description = "Requests to read at most. Default: all.")
    private int limit = Integer.MAX_VALUE;

    @Option(
            names = "--blocks",
            paramLabel = "B",
            defaultValue = "" + Simulation.DEFAULT_KV_BLOCKS,
            description = "KV memory of an engine in blocks of " + SimulatedPrompt.BLOCK_TOKENS
                    + " tokens. Default: ${DEFAULT-VALUE}.")
    private int blocks;

    @Option(names = "--seed", paramLabel = "S", description = "The seed of one run. Default: 1.")
    private @Nullable Long seed;

    @Option(names = "--seeds", paramLabel = "K", description = "Prints means over the seeds 1 to K instead.")
    private @Nullable Integer seeds;

    @Option(
            names = "--spread",
            paramLabel = "0|1",
            defaultValue = "1",
            description = "Whether requests of one timestamp are spread until the next. Default: ${DEFAULT-VALUE}.")
    private int spread;

    @Option(
            names = "--warm",
            paramLabel = "F",
            defaultValue = "" + Simulation.DEFAULT_WARM_UP,
            description = "Share of the requests that the numbers leave out, the first. Default: ${DEFAULT-VALUE}.")
    private double warm;

    @Option(names = "--skip-broken", description = "Skips lines that cannot be read, instead of giving up.")
    private boolean skipBroken;

    @Option(names = "--csv", description = "Prints comma-separated values and nothing else.")
    private boolean csv;

    @Option(names = "--json", description = "Prints one JSON object for each policy and nothing else.")
    private boolean json;

    @Override
    public Integer call() {
        Set<String> names = new LinkedHashSet<>(policies.isEmpty() ? names() : policies);
        refuseMistakes(names);
        Simulation simulation = simulation(read());
        PrintWriter out = spec.commandLine().getOut();
        Table table = new Table(
                "policy",
                "TTFT p50 s",
                "p95",
                "p99",
                "mean",
                "TPOT p50 ms",
                "p99",
                "E2E mean s",
                "p99",
                "hits %",
                "of infinite %",
                "max/mean work");
        if (csv) {
            out.println(String.join(",", COLUMNS));
        }
        for (String name : names) {
            SimulationResult result = run(simulation, name);
            if (csv) {
                out.println(csvRow(name, result));
            } else if (json) {
                out.println(jsonRow(name, result));
            } else {
                table.row(cells(name, result));
            }
            out.flush();
        }
        if (!csv && !json) {
            table.print(out);
        }
        return ExitCode.OK;
    }

    private void refuseMistakes(Set<String> names) {
        for (String name : names) {
            if (!names().contains(name)) {
                throw mistake("--policy \"" + name + "\" is unknown: choose of " + String.join(", ", names()));
            }
        }
        if (limit < 1) {
            throw mistake("--limit must be at least 1, got " + limit);
        }
        if (spread != 0 && spread != 1) {
            throw mistake("--spread must be 0 or 1, got " + spread);
        }
        if (seeds != null && seeds < 1) {
            throw mistake("--seeds must be at least 1, got " + seeds);
        }
        if (seed != null && seeds != null) {
            throw mistake("--seed is one run and --seeds are several: give one of them");
        }
        if (csv && json) {
            throw mistake("give one of --csv and --json");
        }
        if (!Files.isRegularFile(file)) {
            throw mistake("--trace " + file + " is not a file");
        }
    }

    private ParameterException mistake(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    private Trace read() {
        List<String> skipped = new ArrayList<>();
        try {
            Trace trace = Trace.read(
                    file, limit, skipBroken ? (line, reason) -> note(skipped, line, reason) : Trace.BrokenLines.STOP);
            if (!skipped.isEmpty()) {
                progress("skipped " + skipped.size() + " lines that cannot be read");
            }
            return trace;
        } catch (IOException e) {
            String hint = skipBroken ? "" : " (--skip-broken skips lines that cannot be read)";
            throw new Failure(file + ": " + e.getMessage() + hint, e);
        }
    }

    private void note(List<String> skipped, long line, String reason) {
        skipped.add(reason);
        if (skipped.size() <= SHOWN_BROKEN_LINES) {
            progress("line " + line + ": " + reason);
        }
    }

    private Simulation simulation(Trace trace) {
        try {
            Simulation.Builder builder = Simulation.builder(trace)
                    .kvBlocks(blocks)
                    .spread(spread == 1)
                    .warmUp(warm);
            if (speeds == null) {
                builder.replicas(replicas);
            } else {
                builder.speeds(speeds);
            }
            if (rate != null) {
                builder.rate(rate);
            }
            return builder.build();
        } catch (IllegalArgumentException e) {
            throw mistake(String.valueOf(e.getMessage()));
        }
    }

    private SimulationResult run(Simulation simulation, String name) {
        long start = ticker.nanos();
        SimulationResult result;
        try {
            result = seeds == null
                    ? simulation.run(policy(name), seed == null ? 1 : seed)
                    : simulation.runMean(policy(name), seeds);
        } catch (IllegalStateException e) {
            throw new Failure(name + ": " + e.getMessage() + ": " + e.getCause(), e);
        }
        double seconds = (ticker.nanos() - start) / NANOS_PER_SECOND;
        progress(format(
                "%s: %d requests measured, %s%.0f s of traffic%s in %.1f s",
                name,
                result.requests(),
                result.failed() == 0 ? "" : result.failed() + " FAILED, ",
                result.seconds(),
                seeds == null ? "" : " with " + seeds + " seeds",
                seconds));
        return result;
    }

    private void progress(String line) {
        PrintWriter err = spec.commandLine().getErr();
        err.println(line);
        err.flush();
    }

    private static List<String> names() {
        Set<String> names = new LinkedHashSet<>(RoutingPolicies.names());
        names.add(COMPARISON);
        return List.copyOf(names);
    }

    private static Supplier<RoutingPolicy> policy(String name) {
        return RoutingPolicies.names().contains(name)
                ? () -> RoutingPolicies.named(name)
                : LeastPendingPromptTokens::new;
    }

    private static double[] numbers(SimulationResult result) {
        return new double[] {
            result.timeToFirstToken().p50(),
            result.timeToFirstToken().p95(),
            result.timeToFirstToken().p99(),
            result.timeToFirstToken().mean(),
            result.timePerOutputToken().p50() * MILLIS_PER_SECOND,
            result.timePerOutputToken().p99() * MILLIS_PER_SECOND,
            result.duration().mean(),
            result.hitShare(),
            result.hitShareOfInfinite()
        };
    }

    private static String csvRow(String name, SimulationResult result) {
        StringBuilder row = new StringBuilder(name);
        for (double number : numbers(result)) {
            row.append(format(",%.5f", number));
        }
        return row.toString();
    }

    private static String jsonRow(String name, SimulationResult result) {
        JsonLine line = new JsonLine().put(COLUMNS.get(0), name);
        double[] numbers = numbers(result);
        for (int i = 0; i < numbers.length; i++) {
            line.put(COLUMNS.get(i + 1), numbers[i]);
        }
        return line.put("tpot_mean_ms", result.timePerOutputToken().mean() * MILLIS_PER_SECOND)
                .put("tpot_p95_ms", result.timePerOutputToken().p95() * MILLIS_PER_SECOND)
                .put("e2e_p50", result.duration().p50())
                .put("e2e_p95", result.duration().p95())
                .put("e2e_p99", result.duration().p99())
                .put("imbalance", result.imbalance())
                .put("requests", result.requests())
                .put("failed", result.failed())
                .put("seconds", result.seconds())
                .toString();
    }

    private static List<String> cells(String name, SimulationResult result) {
        double[] numbers = numbers(result);
        return List.of(
                name,
                format("%.3f", numbers[0]),
                format("%.3f", numbers[1]),
                format("%.3f", numbers[2]),
                format("%.3f", numbers[3]),
                format("%.1f", numbers[4]),
                format("%.1f", numbers[5]),
                format("%.2f", numbers[6]),
                format("%.2f", result.duration().p99()),
                format("%.1f", 100 * numbers[7]),
                format("%.1f", 100 * numbers[8]),
                format("%.2f", result.imbalance()));
    }

    private static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values);
    }

    /** What {@code --help} lists as the values of {@code --policy}. */
    private static final class PolicyNames implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return names().iterator();
        }
    }
}
