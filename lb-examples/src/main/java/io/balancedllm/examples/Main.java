/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import io.balancedllm.examples.bench.BenchCommand;
import io.balancedllm.examples.cache.CacheReportCommand;
import io.balancedllm.examples.compare.CompareCommand;
import io.balancedllm.examples.console.Mistakes;
import io.balancedllm.examples.faults.FaultWorkerCommand;
import io.balancedllm.examples.faults.FaultsCommand;
import io.balancedllm.examples.logits.LogitsCommand;
import io.balancedllm.examples.simulate.SimulateCommand;
import io.balancedllm.examples.story.StoryCommand;
import io.balancedllm.examples.train.TrainCommand;
import io.balancedllm.examples.worker.WorkerCommand;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine;

/**
 * The examples as one program with subcommands. Results go to standard output, progress and errors to standard error;
 * the exit code is 0 for success, 1 for a failure and 2 for wrong usage.
 */
public final class Main {
    private static final String PROGRAM = "lb-examples";

    private Main() {}

    /** Runs the subcommand the arguments name, then ends the Java virtual machine with its exit code. */
    public static void main(String[] args) {
        PrintWriter out = writer(FileDescriptor.out);
        PrintWriter err = writer(FileDescriptor.err);
        int code = run(out, err, args);
        out.flush();
        err.flush();
        System.exit(code);
    }

    static int run(PrintWriter out, PrintWriter err, String... args) {
        return commandLine(args).setOut(out).setErr(err).execute(args);
    }

    /** The command asked for is the only one that is loaded: reading all their annotations costs the first token dear. */
    private static CommandLine commandLine(String... args) {
        Map<String, Supplier<Object>> commands = commands();
        String wanted = args.length == 0 ? "" : args[0];
        CommandLine root = new CommandLine(new Root());
        if (commands.containsKey(wanted)) {
            commands.keySet().retainAll(Set.of(wanted));
        }
        commands.forEach((name, command) -> root.addSubcommand(name, command.get()));
        return root.setParameterExceptionHandler(Mistakes::ofUsage)
                .setExecutionExceptionHandler(Mistakes::ofExecution)
                .setCaseInsensitiveEnumValuesAllowed(true);
    }

    private static Map<String, Supplier<Object>> commands() {
        Map<String, Supplier<Object>> commands = new LinkedHashMap<>();
        commands.put("story", StoryCommand::new);
        commands.put("worker", WorkerCommand::new);
        commands.put("logits", LogitsCommand::new);
        commands.put("train", TrainCommand::new);
        commands.put("bench", BenchCommand::new);
        commands.put("simulate", SimulateCommand::new);
        commands.put("compare", CompareCommand::new);
        commands.put("cache-report", CacheReportCommand::new);
        commands.put("faults", FaultsCommand::new);
        commands.put("fault-worker", FaultWorkerCommand::new);
        return commands;
    }

    private static PrintWriter writer(FileDescriptor descriptor) {
        return new PrintWriter(new FileOutputStream(descriptor), true, StandardCharsets.UTF_8);
    }

    @CommandLine.Command(
            name = PROGRAM,
            description = "Client-side load balancing for LLMs: examples, reports and benchmarks.",
            synopsisSubcommandLabel = "COMMAND",
            mixinStandardHelpOptions = true)
    private static final class Root implements Callable<Integer> {
        @CommandLine.Spec
        @SuppressWarnings("NullAway.Init")
        private CommandLine.Model.CommandSpec spec;

        @Override
        public Integer call() {
            throw new CommandLine.ParameterException(
                    spec.commandLine(),
                    "name a command: " + String.join(", ", spec.subcommands().keySet()));
        }
    }
}
