/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import io.balancedllm.completion.Completion;
import io.balancedllm.completion.DecisionRecord;
import io.balancedllm.completion.LlmException;
import io.balancedllm.completion.Usage;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;
import org.jspecify.annotations.Nullable;

/** What became of the calls of one run, as their callers see it. */
final class Measurements {
    private static final double NANOS_PER_SECOND = 1e9;

    private final Trace trace;
    private final EngineModel model;
    /** In the order the calls began. */
    private final List<Outcome> outcomes = new ArrayList<>();

    private int failed;
    private @Nullable LlmException firstFailure;
    private double imbalances;
    private int balances;

    Measurements(Trace trace, EngineModel model) {
        this.trace = trace;
        this.model = model;
    }

    /** What a call came to. */
    static final class Outcome {
        private final int index;
        private boolean served;
        private double firstTokenSeconds;
        private double seconds;
        private int cachedTokens;
        private int outputTokens;
        private int overPrediction;

        private Outcome(int index) {
            this.index = index;
        }

        private double secondsPerToken() {
            return outputTokens > 1 ? (seconds - firstTokenSeconds) / (outputTokens - 1) : 0;
        }
    }

    /** {@return where to note what becomes of a call that begins now} */
    Outcome began(int index, List<SimulatedEngine> engines) {
        int most = 0;
        int all = 0;
        for (SimulatedEngine engine : engines) {
            int requests = engine.requests();
            most = Math.max(most, requests);
            all += requests;
        }
        imbalances += all == 0 ? 1 : (double) most * engines.size() / all;
        balances++;
        Outcome outcome = new Outcome(index);
        outcomes.add(outcome);
        return outcome;
    }

    void served(Outcome outcome, Completion answer, @Nullable Integer predicted) {
        DecisionRecord decision = answer.decision().orElseThrow();
        Usage usage = answer.usage().orElseThrow();
        outcome.served = true;
        outcome.firstTokenSeconds = decision.timeToFirstToken().orElseThrow().toNanos() / NANOS_PER_SECOND;
        outcome.seconds = decision.duration().toNanos() / NANOS_PER_SECOND;
        outcome.cachedTokens = usage.cachedTokens().orElse(0);
        outcome.outputTokens = usage.completionTokens();
        outcome.overPrediction = predicted == null ? 0 : Math.max(0, predicted - outcome.cachedTokens);
    }

    void failed(Throwable failure) {
        failed++;
        if (firstFailure == null && failure instanceof LlmException typed) {
            firstFailure = typed;
        }
    }

    SimulationResult result(double warmUp, List<SimulatedEngine> engines, double seconds) {
        List<Outcome> measured = outcomes.stream()
                .skip((int) (warmUp * outcomes.size()))
                .filter(outcome -> outcome.served)
                .toList();
        if (measured.isEmpty()) {
            throw new IllegalStateException("no request was served", firstFailure);
        }
        double promptTokens = 0;
        double reusableTokens = 0;
        double cachedTokens = 0;
        double overPrediction = 0;
        int firstTokens = 0;
        int joint = 0;
        for (Outcome outcome : measured) {
            int tokens = trace.requests().get(outcome.index).prompt().tokens();
            promptTokens += tokens;
            reusableTokens += trace.reusableTokens(outcome.index);
            cachedTokens += outcome.cachedTokens;
            overPrediction += outcome.overPrediction;
            double beyond = outcome.firstTokenSeconds - model.prefillSeconds(tokens, 0);
            firstTokens += reaches(Slo.FIRST_TOKEN, beyond, outcome) ? 1 : 0;
            joint += reaches(Slo.JOINT, beyond, outcome) ? 1 : 0;
        }
        return new SimulationResult(
                measured.size(),
                failed,
                SimulationResult.Times.of(measured.stream().mapToDouble(outcome -> outcome.firstTokenSeconds)),
                SimulationResult.Times.of(measured.stream()
                        .filter(outcome -> outcome.outputTokens > 1)
                        .mapToDouble(Outcome::secondsPerToken)),
                SimulationResult.Times.of(measured.stream().mapToDouble(outcome -> outcome.seconds)),
                cachedTokens / promptTokens,
                reusableTokens == 0 ? 0 : cachedTokens / reusableTokens,
                overPrediction / promptTokens,
                imbalance(engines.stream().mapToDouble(SimulatedEngine::prefilledTokens)),
                balances == 0 ? 1 : imbalances / balances,
                (double) firstTokens / measured.size(),
                (double) joint / measured.size(),
                seconds);
    }

    /** {@return the share of the measured requests that reach it} */
    double share(Slo slo, double warmUp) {
        List<Outcome> measured =
                outcomes.stream().skip((int) (warmUp * outcomes.size())).toList();
        long good = measured.stream()
                .filter(outcome -> outcome.served)
                .filter(outcome -> {
                    int tokens = trace.requests().get(outcome.index).prompt().tokens();
                    return reaches(slo, outcome.firstTokenSeconds - model.prefillSeconds(tokens, 0), outcome);
                })
                .count();
        return (double) good / measured.size();
    }

    private static boolean reaches(Slo slo, double beyond, Outcome outcome) {
        return beyond <= slo.firstTokenSeconds() && outcome.secondsPerToken() <= slo.secondsPerOutputToken();
    }

    private static double imbalance(DoubleStream numbers) {
        double[] work = numbers.toArray();
        double most = 0;
        double all = 0;
        for (double each : work) {
            most = Math.max(most, each);
            all += each;
        }
        return all == 0 ? 1 : most * work.length / all;
    }
}
