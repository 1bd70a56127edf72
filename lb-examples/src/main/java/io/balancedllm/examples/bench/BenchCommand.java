/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The benchmarks, each a subcommand. */
@Command(
        name = "bench",
        description = "Measures this library against doing without it.",
        subcommands = {
            OverheadCommand.class,
            PicksCommand.class,
            IndexCommand.class,
            HashCommand.class,
            HealthCommand.class,
            CacheCommand.class,
            Gpt2Command.class,
            EngineCommand.class,
            RedisCommand.class
        },
        synopsisSubcommandLabel = "BENCHMARK",
        mixinStandardHelpOptions = true)
public final class BenchCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Override
    public Integer call() {
        throw new ParameterException(
                spec.commandLine(),
                "name a benchmark: " + String.join(", ", spec.subcommands().keySet()));
    }
}
