/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.bench.Jmh.Score;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What a change of an endpoint's health costs in a large pool. */
@Command(
        name = "health",
        description =
                "Calls that change the health of one of 1,000 endpoints twice, against calls that change nothing.",
        mixinStandardHelpOptions = true)
public final class HealthCommand implements Callable<Integer> {
    private static final double NANOS_PER_MICRO = 1e3;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private Jmh jmh = new Jmh();

    @Option(names = "--json", description = "Prints one JSON object for each row and nothing else.")
    private boolean json;

    @Override
    public Integer call() {
        Map<String, Score> scores = jmh.run(HealthBenchmark.class, 1, "changing", "unchanging");
        Score changing = Objects.requireNonNull(scores.get("changing"));
        Score unchanging = Objects.requireNonNull(scores.get("unchanging"));
        Comparison.print(
                spec.commandLine().getOut(),
                json,
                "health",
                List.of(
                        new Comparison(
                                "call, two changes of health",
                                "us",
                                changing.nanos() / NANOS_PER_MICRO,
                                "no change",
                                unchanging.nanos() / NANOS_PER_MICRO),
                        new Comparison("allocated", "bytes", changing.bytes(), "no change", unchanging.bytes())));
        return ExitCode.OK;
    }
}
