/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.compare;

import static io.balancedllm.examples.simulate.ResultFormat.format;

import io.balancedllm.examples.console.Failure;
import io.balancedllm.examples.console.Table;
import io.balancedllm.examples.simulate.Plot;
import io.balancedllm.examples.simulate.PolicyNames;
import io.balancedllm.examples.simulate.ResultFormat;
import io.balancedllm.routing.RoutingPolicies;
import io.balancedllm.testkit.simulation.GeneratedTraces;
import io.balancedllm.testkit.simulation.Simulation;
import io.balancedllm.testkit.simulation.SimulationResult;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Compares routing policies where it matters: on one generated trace for each kind of traffic, or, with the files of real
 * traffic at hand, on 45 cells of trace, memory, engines and load.
 */
@Command(
        name = "compare",
        description = "Compares routing policies on simulated engines, over all kinds of traffic; needs no file.",
        mixinStandardHelpOptions = true)
public final class CompareCommand implements Callable<Integer> {
    private static final int REQUESTS = 3_000;
    private static final int REPLICAS = 4;
    private static final int LIVE_CHATS = 10;
    private static final List<String> LIVE =
            List.of("prefixAffinity", "sessionAffinity", "leastConnections", "roundRobin");

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Option(
            names = "--policy",
            paramLabel = "NAME",
            split = ",",
            completionCandidates = PolicyNames.class,
            description =
                    "Policies to compare, with commas between them: ${COMPLETION-CANDIDATES}. Default: all but the"
                            + " bounds; with --cells the last of the library's own and the published rules.")
    private List<String> policies = List.of();

    @Option(names = "--load", paramLabel = "X", defaultValue = "0.85", description = "Default: ${DEFAULT-VALUE}.")
    private double load;

    @Option(names = "--seeds", paramLabel = "K", description = "Runs each is the mean of. Default: 1; 5 with --cells.")
    private @Nullable Integer seeds;

    @Option(names = "--first-seed", paramLabel = "S", description = "Of the cells. Default: ${DEFAULT-VALUE}.")
    private long firstSeed = 1;

    @Option(
            names = "--plot",
            paramLabel = "FILE",
            description =
                    "Writes the first token's p99 as bars to this PNG file; with --cells, the first policy over the best"
                            + " of the others in each cell.")
    private @Nullable Path plot;

    @Option(names = "--cells", description = "Runs the 45 cells instead.")
    private boolean cells;

    @Option(
            names = "--live",
            description = "Chats with three replicas of GPT-2 in this process instead; --seeds is how often.")
    private boolean live;

    @Option(
            names = "--only",
            paramLabel = "PREFIX",
            description = "Runs only cells that begin so: conv860,8 for instance.")
    private String only = "";

    @Option(
            names = "--traces",
            paramLabel = "DIR",
            defaultValue = "../shared/data/traces",
            description = "Where the traces of the cells are. Default: ${DEFAULT-VALUE}.")
    @SuppressWarnings("NullAway.Init")
    private Path traces;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            defaultValue = "cells.csv",
            description =
                    "Keeps the finished runs of the cells; those in it are not made again. Default: ${DEFAULT-VALUE}.")
    @SuppressWarnings("NullAway.Init")
    private Path file;

    @Option(names = "--threads", paramLabel = "T", defaultValue = "2", description = "Default: ${DEFAULT-VALUE}.")
    private int threads;

    @Override
    public Integer call() {
        String unknown = PolicyNames.firstUnknown(policies);
        if (!unknown.isEmpty()) {
            throw mistake("--policy \"" + unknown + "\" is unknown: choose of " + String.join(", ", PolicyNames.all()));
        }
        if ((seeds != null && seeds < 1) || threads < 1 || !(load > 0)) {
            throw mistake("--seeds and --threads must be at least 1 and --load above 0");
        }
        if (live) {
            chat();
        } else if (cells) {
            runCells();
        } else {
            compareGenerated();
        }
        return ExitCode.OK;
    }

    private void compareGenerated() {
        PrintWriter out = spec.commandLine().getOut();
        List<String> names = policies.isEmpty() ? CellRuns.withoutBounds() : policies;
        Plot chart = new Plot(format("First token, p99, at load %.2f", load), "seconds", names);
        for (String trace : GeneratedTraces.names()) {
            Simulation simulation = Simulation.builder(GeneratedTraces.named(trace, REQUESTS, 1))
                    .replicas(REPLICAS)
                    .build();
            double rate = load * simulation.saturationRate();
            Simulation loaded = simulation.toBuilder().rate(rate).build();
            Table table = ResultFormat.table();
            List<Double> p99 = new ArrayList<>();
            for (String name : names) {
                SimulationResult result = loaded.runMean(PolicyNames.policy(name), seeds == null ? 1 : seeds);
                table.row(ResultFormat.row(name, result));
                p99.add(result.timeToFirstToken().p99());
            }
            chart.bars(trace, p99);
            out.println(format("%s: %d requests, %.2f a second, %d engines", trace, REQUESTS, rate, REPLICAS));
            table.print(out);
            out.println();
            out.flush();
        }
        if (plot != null) {
            chart.write(plot);
        }
    }

    private void runCells() {
        PrintWriter err = spec.commandLine().getErr();
        try {
            CellRuns runs = new CellRuns(traces, file, firstSeed, seeds == null ? CellRuns.DEFAULT_SEEDS : seeds, err);
            List<String> names = policies.isEmpty() ? CellRuns.standard() : policies;
            runs.run(only, names, threads);
            runs.print(names, spec.commandLine().getOut());
            if (plot != null) {
                runs.plot(names, plot);
            }
        } catch (IOException e) {
            throw new Failure(String.valueOf(e.getMessage()), e);
        }
    }

    private void chat() {
        List<String> names = policies.isEmpty() ? LIVE : policies;
        for (String name : names) {
            if (!RoutingPolicies.names().contains(name)) {
                throw mistake("--live needs a policy of the library, not \"" + name + "\": choose of "
                        + String.join(", ", RoutingPolicies.names()));
            }
        }
        LiveChats chats = new LiveChats(1, seeds == null ? LIVE_CHATS : seeds);
        LiveChats.print(chats.run(names), spec.commandLine().getOut());
        spec.commandLine().getOut().flush();
    }

    private ParameterException mistake(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
