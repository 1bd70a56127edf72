/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.bench.Jmh.Scores;
import java.util.List;
import picocli.CommandLine.Command;

/** How fast prompts become blocks. */
@Command(
        name = "hash",
        description = "Prompts to blocks, on one thread, against digests of the JDK over the same text.",
        mixinStandardHelpOptions = true)
public final class HashCommand extends JmhCommand {
    @Override
    List<Comparison> measure(Jmh jmh) {
        Scores scores = jmh.run(
                HashBenchmark.class, 1, "ours", "turnOfSession", "turnAnew", "crc32c", "arraysHashCode", "sha256");
        double ours = speed(scores, "ours");
        return List.of(
                new Comparison("conversation of 256 kB", "GB/s", ours, "CRC32C", speed(scores, "crc32c")),
                new Comparison(
                        "conversation of 256 kB", "GB/s", ours, "Arrays.hashCode", speed(scores, "arraysHashCode")),
                new Comparison("conversation of 256 kB", "GB/s", ours, "SHA-256", speed(scores, "sha256")),
                new Comparison(
                        "turn of 4 kB, mean of 64",
                        "us",
                        scores.of("turnOfSession").micros(),
                        "all anew",
                        scores.of("turnAnew").micros()));
    }

    /** {@return bytes a nanosecond, which are gigabytes a second} */
    private static double speed(Scores scores, String method) {
        return HashBenchmark.BYTES / scores.of(method).nanos();
    }
}
