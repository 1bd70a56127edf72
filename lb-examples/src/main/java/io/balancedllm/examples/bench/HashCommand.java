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

/** How fast prompts become blocks. */
@Command(
        name = "hash",
        description = "Prompts to blocks, on one thread, against digests of the JDK over the same text.",
        mixinStandardHelpOptions = true)
public final class HashCommand implements Callable<Integer> {
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
        Map<String, Score> scores = jmh.run(
                HashBenchmark.class, 1, "ours", "turnOfSession", "turnAnew", "crc32c", "arraysHashCode", "sha256");
        double ours = speed(scores, "ours");
        Comparison.print(
                spec.commandLine().getOut(),
                json,
                "hash",
                List.of(
                        new Comparison("conversation of 256 kB", "GB/s", ours, "CRC32C", speed(scores, "crc32c")),
                        new Comparison(
                                "conversation of 256 kB",
                                "GB/s",
                                ours,
                                "Arrays.hashCode",
                                speed(scores, "arraysHashCode")),
                        new Comparison("conversation of 256 kB", "GB/s", ours, "SHA-256", speed(scores, "sha256")),
                        new Comparison(
                                "turn of 4 kB, mean of 64",
                                "us",
                                score(scores, "turnOfSession").nanos() / NANOS_PER_MICRO,
                                "all anew",
                                score(scores, "turnAnew").nanos() / NANOS_PER_MICRO)));
        return ExitCode.OK;
    }

    /** {@return bytes a nanosecond, which are gigabytes a second} */
    private static double speed(Map<String, Score> scores, String method) {
        return HashBenchmark.BYTES / score(scores, method).nanos();
    }

    private static Score score(Map<String, Score> scores, String method) {
        return Objects.requireNonNull(scores.get(method), method);
    }
}
