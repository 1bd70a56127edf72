/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.bench;

import io.balancedllm.examples.console.Failure;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import picocli.CommandLine.Option;

/** Runs the methods of a benchmark, each in a Java virtual machine of its own. */
final class Jmh {
    private static final String ALLOCATED = "gc.alloc.rate.norm";

    @Option(names = "--forks", paramLabel = "N", description = "Virtual machines of each measurement. Default: 1.")
    private int forks = 1;

    @Option(
            names = "--iterations",
            paramLabel = "N",
            description = "Measurements of a second in each, after half as many to warm up. Default: 6.")
    private int iterations = 6;

    /** Nanoseconds and bytes allocated of one operation. */
    record Score(double nanos, double bytes) {
        private static final double NANOS_PER_MICRO = 1e3;

        double micros() {
            return nanos / NANOS_PER_MICRO;
        }
    }

    /** Scores by method. */
    record Scores(Map<String, Score> byMethod) {
        Score of(String method) {
            return Objects.requireNonNull(byMethod.get(method), method);
        }
    }

    Scores run(Class<?> benchmark, int threads, String... methods) {
        Map<String, Score> scores = new LinkedHashMap<>();
        for (String method : methods) {
            scores.put(method, run(benchmark, threads, method, Map.of()));
        }
        return new Scores(scores);
    }

    /** {@return the score of one method with these values of its parameters} */
    Score run(Class<?> benchmark, int threads, String method, Map<String, String> parameters) {
        RunResult result = results(Pattern.quote(benchmark.getName() + "." + method) + "$", threads, parameters)
                .iterator()
                .next();
        Result<?> allocated = result.getSecondaryResults().get(ALLOCATED);
        return new Score(result.getPrimaryResult().getScore(), allocated == null ? Double.NaN : allocated.getScore());
    }

    private Collection<RunResult> results(String method, int threads, Map<String, String> parameters) {
        try {
            ChainedOptionsBuilder options = new OptionsBuilder()
                    .include(method)
                    .threads(threads)
                    .forks(forks)
                    .warmupIterations(Math.max(1, iterations / 2))
                    .warmupTime(TimeValue.seconds(1))
                    .measurementIterations(iterations)
                    .measurementTime(TimeValue.seconds(1))
                    .addProfiler(GCProfiler.class)
                    .verbosity(VerboseMode.SILENT)
                    .shouldFailOnError(true);
            parameters.forEach(options::param);
            return new Runner(options.build()).run();
        } catch (RunnerException e) {
            throw new Failure("the benchmark failed: " + e.getMessage(), e);
        }
    }
}
