/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.faults;

import java.util.List;
import java.util.Locale;
import java.util.function.ToIntFunction;

/**
 * What became of the requests of a run.
 *
 * @param requests the good ones
 * @param lost failed before anything of their answer came
 * @param cut failed, and were said to, after some of it had come
 * @param truncated passed on as whole though some was missing
 * @param duplicated in which a token came twice
 * @param worstAddedNanos what the slowest whole answer took more than a usual one
 * @param attempts that reached a worker
 * @param laterAttempts those among them for requests of the time when the fault should be known
 * @param laterBad those among these that went to the bad worker
 * @param all requests, poisoned ones included
 */
record FaultResult(
        int requests,
        int lost,
        int cut,
        int truncated,
        int duplicated,
        long worstAddedNanos,
        int attempts,
        int laterAttempts,
        int laterBad,
        int all) {
    static final List<String> COLUMNS = List.of(
            "scenario",
            "system",
            "requests",
            "lost",
            "cut",
            "truncated_as_success",
            "duplicated",
            "worst_added_ms",
            "bad_share",
            "attempts_per_request");

    private static final double NANOS_PER_MILLI = 1e6;

    /** {@return a row of several runs: sums, and the median of what was added} */
    static List<String> row(String scenario, String system, List<FaultResult> runs) {
        long worst = runs.stream()
                .map(FaultResult::worstAddedNanos)
                .sorted()
                .skip(runs.size() / 2)
                .findFirst()
                .orElseThrow();
        int later = sum(runs, FaultResult::laterAttempts);
        return List.of(
                scenario,
                system,
                Integer.toString(sum(runs, FaultResult::requests)),
                Integer.toString(sum(runs, FaultResult::lost)),
                Integer.toString(sum(runs, FaultResult::cut)),
                Integer.toString(sum(runs, FaultResult::truncated)),
                Integer.toString(sum(runs, FaultResult::duplicated)),
                String.format(Locale.ROOT, "%.0f", worst / NANOS_PER_MILLI),
                later == 0 ? "n/a" : share(sum(runs, FaultResult::laterBad), later),
                share(sum(runs, FaultResult::attempts), sum(runs, FaultResult::all)));
    }

    private static int sum(List<FaultResult> runs, ToIntFunction<FaultResult> what) {
        return runs.stream().mapToInt(what).sum();
    }

    private static String share(int part, int whole) {
        return String.format(Locale.ROOT, "%.3f", (double) part / whole);
    }
}
