/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.bench.Jmh.Score;
import io.balancedllm.examples.bench.Jmh.Scores;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import picocli.CommandLine.Command;

/** What finding and adding a prompt costs in the index of prefixes, in time and memory. */
@Command(
        name = "index",
        description = "The index of prefixes against a LinkedHashMap for each of 16 endpoints with 27,520 blocks.",
        mixinStandardHelpOptions = true)
public final class IndexCommand extends JmhCommand {
    private static final double BYTES_PER_MEGABYTE = 1e6;
    private static final String MAPS = "16 maps";
    private static final int COLLECTIONS = 4;

    @Override
    List<Comparison> measure(Jmh jmh) {
        Scores one = jmh.run(IndexBenchmark.class, 1, "matchOurs", "matchMaps", "addOurs", "addMaps");
        Scores two = jmh.run(IndexBenchmark.class, 2, "matchOurs");
        Score match = one.of("matchOurs");
        Score add = one.of("addOurs");
        // Two threads that do not hinder each other take no longer for one match each than one thread does.
        double scaling = 2 * match.nanos() / two.of("matchOurs").nanos();
        return List.of(
                micros("match 128 blocks, 16 endpoints", match, one.of("matchMaps")),
                bytes("match, allocated", match, one.of("matchMaps")),
                micros("add 128 blocks, 96 new", add, one.of("addMaps")),
                bytes("add, allocated", add, one.of("addMaps")),
                new Comparison("matches by two threads", "of one's", scaling, "one thread", 1),
                new Comparison(
                        "memory, 16 x 27,520 blocks",
                        "MB",
                        megabytes(IndexBenchmark::ours),
                        MAPS,
                        megabytes(IndexBenchmark::maps)));
    }

    private static Comparison micros(String what, Score ours, Score theirs) {
        return new Comparison(what, "us", ours.micros(), MAPS, theirs.micros());
    }

    private static Comparison bytes(String what, Score ours, Score theirs) {
        return new Comparison(what, "bytes", ours.bytes(), MAPS, theirs.bytes());
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
