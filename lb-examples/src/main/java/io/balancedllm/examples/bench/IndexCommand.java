/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.bench.Jmh.Score;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What finding and adding a prompt costs in the index of prefixes, in time and memory. */
@Command(
        name = "index",
        description = "The index of prefixes against a LinkedHashMap for each of 16 endpoints with 27,520 blocks.",
        mixinStandardHelpOptions = true)
public final class IndexCommand implements Callable<Integer> {
    private static final double NANOS_PER_MICRO = 1e3;
    private static final double BYTES_PER_MEGABYTE = 1e6;
    private static final String MAPS = "16 maps";
    private static final int COLLECTIONS = 4;

    @Spec
    @SuppressWarnings("NullAway.Init")
    private CommandSpec spec;

    @Mixin
    private Jmh jmh = new Jmh();

    @Option(names = "--json", description = "Prints one JSON object for each row and nothing else.")
    private boolean json;

    @Override
    public Integer call() {
        Map<String, Score> one = jmh.run(IndexBenchmark.class, 1, "matchOurs", "matchMaps", "addOurs", "addMaps");
        Map<String, Score> two = jmh.run(IndexBenchmark.class, 2, "matchOurs");
        Score match = score(one, "matchOurs");
        Score add = score(one, "addOurs");
        // Two threads that do not hinder each other take no longer for one match each than one thread does.
        double scaling = 2 * match.nanos() / score(two, "matchOurs").nanos();
        Comparison.print(
                spec.commandLine().getOut(),
                json,
                "index",
                List.of(
                        micros("match 128 blocks, 16 endpoints", match, score(one, "matchMaps")),
                        bytes("match, allocated", match, score(one, "matchMaps")),
                        micros("add 128 blocks, 96 new", add, score(one, "addMaps")),
                        bytes("add, allocated", add, score(one, "addMaps")),
                        new Comparison("matches by two threads", "of one's", scaling, "one thread", 1),
                        new Comparison(
                                "memory, 16 x 27,520 blocks",
                                "MB",
                                megabytes(IndexBenchmark::ours),
                                MAPS,
                                megabytes(IndexBenchmark::maps))));
        return ExitCode.OK;
    }

    private static Comparison micros(String what, Score ours, Score theirs) {
        return new Comparison(what, "us", ours.nanos() / NANOS_PER_MICRO, MAPS, theirs.nanos() / NANOS_PER_MICRO);
    }

    private static Comparison bytes(String what, Score ours, Score theirs) {
        return new Comparison(what, "bytes", ours.bytes(), MAPS, theirs.bytes());
    }

    private static Score score(Map<String, Score> scores, String method) {
        return Objects.requireNonNull(scores.get(method), method);
    }

    /** Measured by what the heap holds more, after collections. */
    private static double megabytes(Supplier<Object> made) {
        long before = used();
        Object kept = made.get();
        long after = used();
        Objects.requireNonNull(kept);
        return (after - before) / BYTES_PER_MEGABYTE;
    }

    private static long used() {
        Runtime runtime = Runtime.getRuntime();
        long least = Long.MAX_VALUE;
        for (int i = 0; i < COLLECTIONS; i++) {
            System.gc();
            least = Math.min(least, runtime.totalMemory() - runtime.freeMemory());
        }
        return least;
    }
}
