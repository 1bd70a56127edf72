/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How long the endpoints of a pool take to compute prompts, learned from their busy periods: from the dispatch that finds
 * nothing pending to the first token that leaves nothing pending. Total time over total work is right however many
 * prompts share a step; time from dispatch to first token is not, and makes a busy endpoint look slow or fast.
 *
 * <p>The seconds for u tokens after c cached ones are {@code a s (u + b u (c + u / 2))}: a and b are the pool's, s is
 * the endpoint's factor. They start from one current GPU with an 8B model; a start wrong by ten times either way costs 1 %
 * of what routing gains.
 *
 * <p>Thread-safe: learning takes a lock, at the end of busy periods; what was learned is read without.
 */
final class PrefillSpeed {
    /** Seconds for a token at the start. */
    static final double INITIAL_SECONDS_PER_TOKEN = 3.1e-5;
    /** What a token costs more for each token before it, at the start, and where the estimate leans to. */
    static final double INITIAL_ATTENTION_SHARE = 3.3e-5;

    static final double LARGEST_ATTENTION_SHARE = 2e-4;
    /** Work of the smallest busy period that is learned from: below, fixed costs of a step and the network count. */
    static final double SMALLEST_PERIOD = 1_000;
    /** Work after which a busy period is cut, so that an endpoint that is always busy teaches, too. */
    static final double LONGEST_PERIOD = 60_000;
    /** Work after which an older observation of an endpoint counts e times less. */
    private static final double MEMORY = 400_000;
    /** The same for what all endpoints have in common. */
    private static final double COMMON_MEMORY = 4 * MEMORY;
    /** Work after which an endpoint's own speed counts. */
    private static final double KNOWN = 10_000;
    /** Work up to which an observation may pull harder. */
    private static final double YOUNG = 20_000;

    private static final double LARGEST_PULL = 3;
    private static final double LARGEST_PULL_WHEN_YOUNG = 10;
    /** Weight of the start of b, as the square sum of the attention of that many periods of a long prompt. */
    private static final double RIDGE = 50 * 2e9;
    /** Logarithm of a difference in speed that is taken for noise. */
    private static final double DEAD_BAND = 0.25;
    /** Logarithm of the largest difference in speed. */
    private static final double LARGEST_DIFFERENCE = 2.3;
    /** In larger pools the median is not taken anew for every period. */
    private static final int MEDIAN_EVERY_TIME_UP_TO = 16;

    private final List<EndpointSpeed> endpoints = new ArrayList<>();
    private double sum11;
    private double sum12;
    private double sum22;
    private double sum1t;
    private double sum2t;
    private double youngSeconds = 2_000 * INITIAL_SECONDS_PER_TOKEN;
    private double youngWork = 2_000;
    private double ratio = INITIAL_SECONDS_PER_TOKEN;
    private int sinceMedian;
    private volatile double secondsPerToken = INITIAL_SECONDS_PER_TOKEN;
    private volatile double attentionShare = INITIAL_ATTENTION_SHARE;

    /** What is known of one endpoint. */
    static final class EndpointSpeed {
        private double seconds;
        private double work;
        private volatile double factor = 1;

        /** {@return its seconds over those of the pool's median} */
        double factor() {
            return factor;
        }
    }

    double secondsPerToken() {
        return secondsPerToken;
    }

    double attentionShare() {
        return attentionShare;
    }

    synchronized EndpointSpeed join() {
        EndpointSpeed endpoint = new EndpointSpeed();
        endpoints.add(endpoint);
        return endpoint;
    }

    synchronized void leave(EndpointSpeed endpoint) {
        endpoints.remove(endpoint);
    }

    /**
     * Learns from a busy period.
     *
     * @param endpoint whose
     * @param seconds how long it took
     * @param tokens sum of the tokens computed
     * @param attention sum of their {@link PromptWork#attention}
     */
    synchronized void learn(EndpointSpeed endpoint, double seconds, double tokens, double attention) {
        double periodWork = tokens + attentionShare * attention;
        if (!(periodWork > SMALLEST_PERIOD) || !(seconds > 0)) {
            return;
        }
        boolean young = endpoint.work < YOUNG;
        learnShape(endpoint, seconds, tokens, attention, periodWork, young);
        learnSpeed(endpoint, seconds, periodWork, young);
    }

    /** Least squares over all endpoints: seconds of an endpoint of factor 1 = a tokens + a b attention. */
    private void learnShape(
            EndpointSpeed endpoint, double seconds, double tokens, double attention, double work, boolean young) {
        double expected = work * secondsPerToken;
        double scaled = seconds / endpoint.factor;
        double observed = young ? scaled : clamp(scaled, expected / LARGEST_PULL, expected * LARGEST_PULL);
        double weight = 1 / work;
        double memory = Math.exp(-work / COMMON_MEMORY);
        sum11 = sum11 * memory + weight * tokens * tokens;
        sum12 = sum12 * memory + weight * tokens * attention;
        sum22 = sum22 * memory + weight * attention * attention;
        sum1t = sum1t * memory + weight * tokens * observed;
        sum2t = sum2t * memory + weight * attention * observed;
        double leaning22 = sum22 + RIDGE;
        double leaning2t = sum2t + RIDGE * INITIAL_ATTENTION_SHARE * secondsPerToken;
        double determinant = sum11 * leaning22 - sum12 * sum12;
        if (determinant > 0) {
            double a = (sum1t * leaning22 - sum12 * leaning2t) / determinant;
            double ab = (sum11 * leaning2t - sum12 * sum1t) / determinant;
            if (a > 0) {
                attentionShare = clamp(ab / a, 0, LARGEST_ATTENTION_SHARE);
            }
        }
    }

    private void learnSpeed(EndpointSpeed endpoint, double seconds, double work, boolean young) {
        double pull = young ? LARGEST_PULL_WHEN_YOUNG : LARGEST_PULL;
        double observed = clamp(seconds, work * ratio / pull, work * ratio * pull);
        double memory = Math.exp(-work / MEMORY);
        endpoint.seconds = endpoint.seconds * memory + observed;
        endpoint.work = endpoint.work * memory + work;
        double[] known = null;
        if (++sinceMedian * MEDIAN_EVERY_TIME_UP_TO >= endpoints.size()) {
            sinceMedian = 0;
            known = endpoints.stream()
                    .filter(other -> other.work > KNOWN)
                    .mapToDouble(other -> other.seconds / other.work)
                    .toArray();
            if (known.length > 0) {
                ratio = median(known);
            } else {
                youngSeconds += observed;
                youngWork += work;
                ratio = youngSeconds / youngWork;
            }
            secondsPerToken = ratio;
        }
        if (known != null && known.length >= 2) {
            endpoints.forEach(other -> other.factor = factor(other));
        }
    }

    private static double median(double[] values) {
        Arrays.sort(values);
        int middle = values.length / 2;
        return values.length % 2 == 1 ? values[middle] : Math.sqrt(values[middle] * values[middle - 1]);
    }

    /** Small differences are taken for noise, larger ones are believed the more the larger they are. */
    private double factor(EndpointSpeed endpoint) {
        if (endpoint.work < KNOWN) {
            return 1;
        }
        double log = Math.log(endpoint.seconds / endpoint.work / ratio);
        double shrunk = Math.abs(log) <= DEAD_BAND ? 0 : log * (1 - DEAD_BAND * DEAD_BAND / (log * log));
        return Math.exp(clamp(shrunk, -LARGEST_DIFFERENCE, LARGEST_DIFFERENCE));
    }

    private static double clamp(double value, double least, double most) {
        return Math.max(least, Math.min(most, value));
    }

    @Override
    public String toString() {
        return "PrefillSpeed{" + secondsPerToken + " s a token, attention share " + attentionShare + "}";
    }
}
