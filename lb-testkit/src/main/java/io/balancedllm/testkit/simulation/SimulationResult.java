/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/**
 * What a simulation measured, at its callers: times include the wait in the engine. The warm-up is left out of all but
 * {@code failed}, {@code imbalance}, {@code inFlightImbalance} and {@code seconds}. Immutable.
 *
 * @param requests how many were served and measured
 * @param failed how many failed; 0 unless a policy or an engine refused some
 * @param timeToFirstToken from call to first token, in seconds
 * @param timePerOutputToken from first to last token over the tokens after the first, in seconds; of answers with more
 *     than one
 * @param duration from call to last token, in seconds
 * @param hitShare tokens found in a prefix cache, as a share of all prompt tokens
 * @param hitShareOfInfinite the same as a share of what a single cache that forgets nothing would have held
 * @param overPrediction cached tokens that the policy counted on and that were not there, as a share of all prompt
 *     tokens; 0 for policies that count on none
 * @param imbalance prompt tokens computed by the engine with the most, over the mean of the engines; 1 is even
 * @param inFlightImbalance requests in the engine with the most, over the mean of the engines, on average over arrivals
 * @param sloShare share of the requests that reached {@link Slo#FIRST_TOKEN}
 * @param jointSloShare share of the requests that reached {@link Slo#JOINT}
 * @param seconds virtual time from the first request to the end of the last answer
 */
public record SimulationResult(
        int requests,
        int failed,
        Times timeToFirstToken,
        Times timePerOutputToken,
        Times duration,
        double hitShare,
        double hitShareOfInfinite,
        double overPrediction,
        double imbalance,
        double inFlightImbalance,
        double sloShare,
        double jointSloShare,
        double seconds) {
    /**
     * {@return the result with the mean of each number of these; counts are rounded}
     *
     * @param results at least one
     */
    public static SimulationResult mean(List<SimulationResult> results) {
        return new SimulationResult(
                (int) Math.round(mean(results, SimulationResult::requests)),
                (int) Math.round(mean(results, SimulationResult::failed)),
                Times.mean(
                        results.stream().map(SimulationResult::timeToFirstToken).toList()),
                Times.mean(results.stream()
                        .map(SimulationResult::timePerOutputToken)
                        .toList()),
                Times.mean(results.stream().map(SimulationResult::duration).toList()),
                mean(results, SimulationResult::hitShare),
                mean(results, SimulationResult::hitShareOfInfinite),
                mean(results, SimulationResult::overPrediction),
                mean(results, SimulationResult::imbalance),
                mean(results, SimulationResult::inFlightImbalance),
                mean(results, SimulationResult::sloShare),
                mean(results, SimulationResult::jointSloShare),
                mean(results, SimulationResult::seconds));
    }

    private static <T> double mean(List<T> values, ToDoubleFunction<T> number) {
        if (values.isEmpty()) {
            throw new IllegalArgumentException("a mean takes at least one result");
        }
        return values.stream().mapToDouble(number).average().orElseThrow();
    }

    /**
     * Times in seconds. Quantiles are values that occurred: the smallest that at least the share of all do not exceed.
     *
     * @param mean their mean
     * @param p50 their median
     * @param p95 their 95 % quantile
     * @param p99 their 99 % quantile
     */
    public record Times(double mean, double p50, double p95, double p99) {
        /** {@return the summary of these times; zeros when there are none} */
        static Times of(DoubleStream times) {
            double[] sorted = times.sorted().toArray();
            if (sorted.length == 0) {
                return new Times(0, 0, 0, 0);
            }
            return new Times(
                    Arrays.stream(sorted).average().orElseThrow(),
                    quantile(sorted, 0.5),
                    quantile(sorted, 0.95),
                    quantile(sorted, 0.99));
        }

        private static double quantile(double[] sorted, double share) {
            return sorted[Math.max(0, (int) Math.ceil(share * sorted.length) - 1)];
        }

        private static Times mean(List<Times> times) {
            return new Times(
                    SimulationResult.mean(times, Times::mean),
                    SimulationResult.mean(times, Times::p50),
                    SimulationResult.mean(times, Times::p95),
                    SimulationResult.mean(times, Times::p99));
        }
    }
}
