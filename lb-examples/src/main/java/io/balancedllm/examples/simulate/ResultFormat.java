/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.simulate;

import io.balancedllm.examples.console.JsonLine;
import io.balancedllm.examples.console.Table;
import io.balancedllm.testkit.simulation.SimulationResult;
import java.util.List;
import java.util.Locale;

/** How results of simulations are printed. */
public final class ResultFormat {
    /** The columns of numbers in a CSV; times in seconds but where they say milliseconds. */
    public static final List<String> COLUMNS = List.of(
            "ttft_p50",
            "ttft_p95",
            "ttft_p99",
            "ttft_mean",
            "tpot_p50_ms",
            "tpot_p99_ms",
            "e2e_mean",
            "hit_tok",
            "hit_vs_inf");

    private static final double MILLIS_PER_SECOND = 1e3;

    private ResultFormat() {}

    /** {@return the numbers of the columns} */
    public static double[] numbers(SimulationResult result) {
        return new double[] {
            result.timeToFirstToken().p50(),
            result.timeToFirstToken().p95(),
            result.timeToFirstToken().p99(),
            result.timeToFirstToken().mean(),
            result.timePerOutputToken().p50() * MILLIS_PER_SECOND,
            result.timePerOutputToken().p99() * MILLIS_PER_SECOND,
            result.duration().mean(),
            result.hitShare(),
            result.hitShareOfInfinite()
        };
    }

    /** {@return the numbers with commas before each} */
    public static String csv(SimulationResult result) {
        StringBuilder row = new StringBuilder();
        for (double number : numbers(result)) {
            row.append(format(",%.5f", number));
        }
        return row.toString();
    }

    /** {@return everything that was measured, as an object of JSON} */
    public static String json(String policy, SimulationResult result) {
        JsonLine line = new JsonLine().put("policy", policy);
        double[] numbers = numbers(result);
        for (int i = 0; i < numbers.length; i++) {
            line.put(COLUMNS.get(i), numbers[i]);
        }
        return line.put("tpot_mean_ms", result.timePerOutputToken().mean() * MILLIS_PER_SECOND)
                .put("tpot_p95_ms", result.timePerOutputToken().p95() * MILLIS_PER_SECOND)
                .put("e2e_p50", result.duration().p50())
                .put("e2e_p95", result.duration().p95())
                .put("e2e_p99", result.duration().p99())
                .put("over_prediction", result.overPrediction())
                .put("imbalance", result.imbalance())
                .put("in_flight_imbalance", result.inFlightImbalance())
                .put("slo_share", result.sloShare())
                .put("joint_slo_share", result.jointSloShare())
                .put("requests", result.requests())
                .put("failed", result.failed())
                .put("seconds", result.seconds())
                .toString();
    }

    /** {@return a table for results} */
    public static Table table() {
        return new Table(
                "policy",
                "TTFT p50 s",
                "p95",
                "p99",
                "mean",
                "TPOT p50 ms",
                "p99",
                "E2E mean s",
                "p99",
                "hits %",
                "of infinite %",
                "over %",
                "max/mean work",
                "in flight",
                "SLO %",
                "joint %");
    }

    /** {@return a row of that table} */
    public static List<String> row(String policy, SimulationResult result) {
        double[] numbers = numbers(result);
        return List.of(
                policy,
                format("%.3f", numbers[0]),
                format("%.3f", numbers[1]),
                format("%.3f", numbers[2]),
                format("%.3f", numbers[3]),
                format("%.1f", numbers[4]),
                format("%.1f", numbers[5]),
                format("%.2f", numbers[6]),
                format("%.2f", result.duration().p99()),
                format("%.1f", 100 * numbers[7]),
                format("%.1f", 100 * numbers[8]),
                format("%.1f", 100 * result.overPrediction()),
                format("%.2f", result.imbalance()),
                format("%.2f", result.inFlightImbalance()),
                format("%.1f", 100 * result.sloShare()),
                format("%.1f", 100 * result.jointSloShare()));
    }

    /** {@return a text with these values, whatever the language of the machine is} */
    public static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values);
    }
}
