/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.simulate;

import static io.balancedllm.examples.simulate.ResultFormat.format;

import io.balancedllm.examples.console.Failure;
import io.balancedllm.examples.console.Table;
import io.balancedllm.testkit.simulation.EngineModel;
import io.balancedllm.testkit.simulation.SimulatedPrompt;
import io.balancedllm.testkit.simulation.Simulation;
import io.balancedllm.testkit.simulation.SimulationResult;
import io.balancedllm.testkit.simulation.Slo;
import io.balancedllm.testkit.simulation.Trace;
import io.balancedllm.time.Ticker;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
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
    private static final double NANOS_PER_SECOND = 1e9;

    private final Ticker ticker = Ticker.system();

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    private TraceSource source;

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

    @Option(names = "--gpu", paramLabel = "h100|a100", description = "What the engines run on. Default: h100.")
    private Gpu gpu = Gpu.H100;

    @Option(
            names = "--rate",
            paramLabel = "R",
            description = "Requests a second to stretch or squeeze the trace to. Default: as recorded.")
    private @Nullable Double rate;

    @Option(
            names = "--load",
            paramLabel = "X",
            description = "The same as a share of what the engines serve when all requests come at once and take turns;"
                    + " that is measured first.")
    private @Nullable Double load;

    @Option(
            names = "--users",
            paramLabel = "U",
            description = "Users who wait for their answers, instead of requests that come when the trace says.")
    private int users;

    @Option(
            names = "--blocks",
            paramLabel = "B",
            defaultValue = "" + Simulation.DEFAULT_KV_BLOCKS,
            description = "KV memory of an engine in blocks of " + SimulatedPrompt.BLOCK_TOKENS
                    + " tokens. Default: ${DEFAULT-VALUE}.")
    private int blocks;

    @Option(names = "--clients", paramLabel = "M", description = "Balancers that share the engines. Default: 1.")
    private int clients = 1;

    @Option(names = "--sticky", description = "Calls of a session come to the same balancer, instead of to any.")
    private boolean sticky;

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

    @Option(
            names = "--goodput",
            description =
                    "Prints the highest rate at which 99 of 100 first tokens come within 2 s beyond what the prompt"
                            + " takes alone, instead of a run's numbers.")
    private boolean goodput;

    @Option(names = "--csv", description = "Prints comma-separated values and nothing else.")
    private boolean csv;

    @Option(names = "--json", description = "Prints one JSON object for each policy and nothing else.")
    private boolean json;

    @Option(names = "--plot", paramLabel = "FILE", description = "Writes the times as bars to this PNG file, too.")
    private @Nullable Path plot;

    /** What engines run on. */
    enum Gpu {
        H100,
        A100;

        EngineModel model() {
            return this == H100 ? EngineModel.LLAMA_8B_ON_H100 : EngineModel.LLAMA_8B_ON_A100;
        }
    }

    @Override
    public Integer call() {
        Set<String> names = new LinkedHashSet<>(policies.isEmpty() ? PolicyNames.all() : policies);
        refuseMistakes(names);
        Trace trace = source.read();
        Simulation simulation = simulation(trace);
        PrintWriter out = spec.commandLine().getOut();
        if (goodput) {
            printGoodput(simulation, names, out);
            return ExitCode.OK;
        }
        long runs = (long) names.size() * (seeds == null ? 1 : seeds);
        ProgressBar bar = new ProgressBar(
                spec.commandLine().getErr(), runs * trace.requests().size());
        Simulation watched =
                simulation.toBuilder().progress(ended -> bar.step()).build();
        Table table = ResultFormat.table();
        List<SimulationResult> results = new ArrayList<>();
        if (csv) {
            out.println("policy," + String.join(",", ResultFormat.COLUMNS));
        }
        for (String name : names) {
            bar.begin(name);
            SimulationResult result = run(watched, name, bar);
            results.add(result);
            if (csv) {
                out.println(name + ResultFormat.csv(result));
            } else if (json) {
                out.println(ResultFormat.json(name, result));
            } else {
                table.row(ResultFormat.row(name, result));
            }
            out.flush();
        }
        if (!csv && !json) {
            table.print(out);
        }
        if (plot != null) {
            plot(plot, List.copyOf(names), results);
        }
        return ExitCode.OK;
    }

    private void refuseMistakes(Set<String> names) {
        String unknown = PolicyNames.firstUnknown(names);
        if (!unknown.isEmpty()) {
            throw mistake("--policy \"" + unknown + "\" is unknown: choose of " + String.join(", ", PolicyNames.all()));
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
        if (load != null && (rate != null || !(load > 0))) {
            throw mistake("--load must be above 0 and come without --rate");
        }
        if (users > 0 && (load != null || rate != null || goodput)) {
            throw mistake("--users come when they like: give no --rate, --load or --goodput");
        }
        if (csv && json) {
            throw mistake("give one of --csv and --json");
        }
    }

    private ParameterException mistake(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    private Simulation simulation(Trace trace) {
        try {
            Simulation.Builder builder = Simulation.builder(trace)
                    .engine(gpu.model())
                    .kvBlocks(blocks)
                    .clients(clients, sticky)
                    .users(users)
                    .spread(spread == 1)
                    .warmUp(warm);
            if (speeds == null) {
                builder.replicas(replicas);
            } else {
                builder.speeds(speeds);
            }
            if (load != null) {
                double saturation = saturation(builder.build());
                builder.rate(load * saturation);
            }
            if (rate != null) {
                builder.rate(rate);
            }
            return builder.build();
        } catch (IllegalArgumentException e) {
            throw mistake(String.valueOf(e.getMessage()));
        }
    }

    private double saturation(Simulation simulation) {
        double saturation = simulation.saturationRate();
        progress(format("load 1 is %.3f requests/s", saturation));
        return saturation;
    }

    private void printGoodput(Simulation simulation, Set<String> names, PrintWriter out) {
        double saturation = saturation(simulation);
        Table table = new Table("policy", "good requests/s", "of load 1");
        for (String name : names) {
            double good =
                    simulation.goodput(PolicyNames.policy(name), Slo.FIRST_TOKEN, saturation, seed == null ? 1 : seed);
            table.row(name, format("%.2f", good), format("%.2f", good / saturation));
        }
        table.print(out);
    }

    private SimulationResult run(Simulation simulation, String name, ProgressBar bar) {
        long start = ticker.nanos();
        SimulationResult result;
        try {
            result = seeds == null
                    ? simulation.run(PolicyNames.policy(name), seed == null ? 1 : seed)
                    : simulation.runMean(PolicyNames.policy(name), seeds);
        } catch (IllegalStateException e) {
            throw new Failure(name + ": " + e.getMessage() + ": " + e.getCause(), e);
        }
        double seconds = (ticker.nanos() - start) / NANOS_PER_SECOND;
        bar.clear();
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

    private static void plot(Path file, List<String> names, List<SimulationResult> results) {
        Plot plot = new Plot("Times by routing policy", "seconds", names);
        plot.bars("first token, p99", doubles(results, 2));
        plot.bars("whole answer, mean", doubles(results, 6));
        plot.write(file);
    }

    private static List<Double> doubles(List<SimulationResult> results, int column) {
        return results.stream()
                .map(result -> ResultFormat.numbers(result)[column])
                .toList();
    }

    private void progress(String line) {
        PrintWriter err = spec.commandLine().getErr();
        err.println(line);
        err.flush();
    }
}
