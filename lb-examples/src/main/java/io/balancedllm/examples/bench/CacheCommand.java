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

/** What hits, lookups and what is kept for them cost. */
@Command(
        name = "cache",
        description = "Hits, lookups by meaning, calls that share one generation, and the memory of an index.",
        mixinStandardHelpOptions = true)
public final class CacheCommand implements Callable<Integer> {
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
                CacheBenchmark.class,
                1,
                "exactHit",
                "exactHitStreamed",
                "lookUpTen",
                "multiplyTen",
                "lookUpHundred",
                "multiplyHundred",
                "store");
        double two = jmh.run(CacheBenchmark.class, 2, "lookUpTen", Map.of()).nanos() / NANOS_PER_MICRO;
        double exact = micros(scores, "exactHit");
        Comparison.print(
                spec.commandLine().getOut(),
                json,
                "cache",
                List.of(
                        new Comparison(
                                "exact hit, 100 words",
                                "us",
                                exact,
                                "read as a stream",
                                micros(scores, "exactHitStreamed")),
                        new Comparison(
                                "lookup among 10,000",
                                "us",
                                micros(scores, "lookUpTen"),
                                "multiplying out",
                                micros(scores, "multiplyTen")),
                        new Comparison(
                                "lookup among 100,000",
                                "us",
                                micros(scores, "lookUpHundred"),
                                "multiplying out",
                                micros(scores, "multiplyHundred")),
                        new Comparison(
                                "the same, two at a time", "us", two, "one at a time", micros(scores, "lookUpTen")),
                        new Comparison("store", "us", micros(scores, "store"), "exact hit", exact),
                        HitsByMeaning.measure(),
                        Followers.measure(),
                        IndexMemory.measure()));
        return ExitCode.OK;
    }

    private static double micros(Map<String, Score> scores, String method) {
        return Objects.requireNonNull(scores.get(method), method).nanos() / NANOS_PER_MICRO;
    }
}
