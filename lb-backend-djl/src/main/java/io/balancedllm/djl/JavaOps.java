/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

import io.balancedllm.time.Ticker;

/**
 * The arithmetic of {@link JavaKernel}; rows are [row][column]. Every inner loop is a sum over vectors or one operation
 * element by element, each array read from its beginning: what the JIT compiler turns into vector instructions. It does
 * not do so with dot products, with calls of {@link Math#exp}, nor with several rows in one array (5 times slower), since
 * it cannot tell that they do not overlap.
 */
final class JavaOps {
    /** Below this, {@link #exp} and what depends on it are constant; e to the power of it is 2e-9. */
    private static final float LEAST_EXPONENT = -20;

    private static final int TRIALS = 5;
    private static final int CALLS = 64;
    private static final long SLOW_NANOS = CALLS * 1_000L;

    /** Without hardware for it, {@link Math#fma} takes a microsecond. */
    private static final boolean FUSED = isFused(Ticker.system());

    private JavaOps() {}

    /** A times b plus c, in one instruction where there is one. */
    private static float fma(float a, float b, float c) {
        return FUSED ? Math.fma(a, b, c) : a * b + c;
    }

    private static boolean isFused(Ticker ticker) {
        float sum = 1;
        long shortest = Long.MAX_VALUE;
        for (int trial = 0; trial < TRIALS; trial++) {
            long start = ticker.nanos();
            for (int i = 0; i < CALLS; i++) {
                sum = Math.fma(sum, 0.5f, 1f);
            }
            shortest = Math.min(shortest, ticker.nanos() - start);
        }
        return shortest < SLOW_NANOS && sum > 0;
    }

    static void add(float[][] target, float[][] term, int rows) {
        for (int row = 0; row < rows; row++) {
            add(target[row], term[row]);
        }
    }

    private static void add(float[] target, float[] term) {
        for (int i = 0; i < target.length; i++) {
            target[i] += term[i];
        }
    }

    /** Adds rows to the first values of a target, each times its factor; four at a time, to pay for the loop once. */
    static void addScaledRows(
            float[] factors, int first, float[][] matrix, int from, int to, float[] target, int count) {
        int factor = first;
        int row = from;
        for (; row + 3 < to; row += 4) {
            addFour(factors, factor, matrix, row, target, count);
            factor += 4;
        }
        for (; row < to; row++) {
            addScaled(factors[factor], matrix[row], target, count);
            factor++;
        }
    }

    private static void addFour(float[] factors, int first, float[][] matrix, int row, float[] target, int count) {
        float factor0 = factors[first];
        float factor1 = factors[first + 1];
        float factor2 = factors[first + 2];
        float factor3 = factors[first + 3];
        float[] row0 = matrix[row];
        float[] row1 = matrix[row + 1];
        float[] row2 = matrix[row + 2];
        float[] row3 = matrix[row + 3];
        for (int i = 0; i < count; i++) {
            float sum = fma(factor0, row0[i], target[i]);
            sum = fma(factor1, row1[i], sum);
            sum = fma(factor2, row2[i], sum);
            target[i] = fma(factor3, row3[i], sum);
        }
    }

    private static void addScaled(float factor, float[] row, float[] target, int count) {
        for (int i = 0; i < count; i++) {
            target[i] = fma(factor, row[i], target[i]);
        }
    }

    /** Replaces scores by the softmax of their multiples. */
    static void softmax(float[] scores, int count, float scale) {
        float greatest = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            greatest = Math.max(greatest, scores[i]);
        }
        float most = greatest;
        for (int i = 0; i < count; i++) {
            scores[i] = exp((scores[i] - most) * scale);
        }
        float sum = 0;
        for (int i = 0; i < count; i++) {
            sum += scores[i];
        }
        float inverse = 1 / sum;
        for (int i = 0; i < count; i++) {
            scores[i] *= inverse;
        }
    }

    static void activate(Activation activation, float[][] rows, int count) {
        for (int row = 0; row < count; row++) {
            switch (activation) {
                case GELU_TANH -> geluTanh(rows[row]);
                case GELU_EXACT -> geluExact(rows[row]);
                case RELU -> relu(rows[row]);
            }
        }
    }

    private static void geluTanh(float[] values) {
        float slope = (float) -Activation.GELU_SLOPE;
        float cubic = (float) -(Activation.GELU_SLOPE * Activation.GELU_CUBIC);
        for (int i = 0; i < values.length; i++) {
            float x = values[i];
            values[i] = x / (1 + exp(x * (slope + cubic * x * x)));
        }
    }

    private static void geluExact(float[] values) {
        for (int i = 0; i < values.length; i++) {
            float x = values[i];
            values[i] = (float) (0.5 * x * (1 + errorFunction(x / Math.sqrt(2))));
        }
    }

    private static void relu(float[] values) {
        for (int i = 0; i < values.length; i++) {
            values[i] = Math.max(values[i], 0);
        }
    }

    /** e to the power of x, to 2e-6 of it from -20 to 20: Taylor's series at x/32, squared five times. */
    static float exp(float x) {
        float t = Math.max(x, LEAST_EXPONENT) * 0.03125f;
        float p = fma(t, 1f / 40_320, 1f / 5_040);
        p = fma(t, p, 1f / 720);
        p = fma(t, p, 1f / 120);
        p = fma(t, p, 1f / 24);
        p = fma(t, p, 1f / 6);
        p = fma(t, p, 0.5f);
        p = fma(t, p, 1f);
        p = fma(t, p, 1f);
        p *= p;
        p *= p;
        p *= p;
        p *= p;
        return p * p;
    }

    /** The error function to 1.2e-7, by Numerical Recipes' Chebyshev fit of erfc (Press et al., section 6.2). */
    static double errorFunction(double x) {
        double[] coefficients = ERFC;
        double t = 1 / (1 + 0.5 * Math.abs(x));
        double series = 0;
        for (int i = coefficients.length - 1; i >= 0; i--) {
            series = coefficients[i] + t * series;
        }
        double complement = t * Math.exp(-x * x + series);
        return x >= 0 ? 1 - complement : complement - 1;
    }

    private static final double[] ERFC = {
        -1.26551223,
        1.00002368,
        0.37409196,
        0.09678418,
        -0.18628806,
        0.27886807,
        -1.13520398,
        1.48851587,
        -0.82215223,
        0.17087277
    };

    static int argMax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }

    /** {@return at least so many rows of this width; what was in them need not be kept} */
    static float[][] room(float[][] rows, int count, int width) {
        return rows.length >= count ? rows : new float[count][width];
    }

    /** A layer norm with gain and bias. */
    static final class Norm {
        private final float[] gain;
        private final float[] bias;
        private final float epsilon;

        Norm(Checkpoint checkpoint, String name, float epsilon) {
            this.gain = checkpoint.tensor(name + ".weight").floats();
            this.bias = checkpoint.tensor(name + ".bias").floats();
            this.epsilon = epsilon;
        }

        void apply(float[][] from, int rows, float[][] to) {
            for (int row = 0; row < rows; row++) {
                apply(from[row], to[row]);
            }
        }

        void apply(float[] from, float[] to) {
            double mean = 0;
            for (float value : from) {
                mean += value;
            }
            mean /= from.length;
            double variance = 0;
            for (float value : from) {
                variance += (value - mean) * (value - mean);
            }
            float center = (float) mean;
            float scale = (float) (1 / Math.sqrt(variance / from.length + epsilon));
            for (int i = 0; i < from.length; i++) {
                to[i] = (from[i] - center) * scale * gain[i] + bias[i];
            }
        }
    }

    /** A matrix [in, out] and a bias. */
    static final class Linear {
        /** So many rows of results stay in a second-level cache while all of the matrix passes by. */
        private static final int ROWS = 16;

        private final float[][] weights;
        private final float[] bias;

        Linear(Checkpoint checkpoint, String name) {
            this(
                    checkpoint.tensor(name + ".weight").rows(),
                    checkpoint.tensor(name + ".bias").floats());
        }

        private Linear(float[][] weights, float[] bias) {
            this.weights = weights;
            this.bias = bias;
        }

        /** {@return the matrix [out, in] turned over, without a bias} */
        static Linear transposed(Tensor matrix) {
            float[][] source = matrix.rows();
            float[][] turned = new float[source[0].length][source.length];
            for (int row = 0; row < source.length; row++) {
                for (int column = 0; column < turned.length; column++) {
                    turned[column][row] = source[row][column];
                }
            }
            return new Linear(turned, new float[source.length]);
        }

        /** Computes each row by the same operations in the same order, whatever rows lie beside it. */
        void apply(float[][] x, int rows, float[][] y) {
            for (int row = 0; row < rows; row++) {
                System.arraycopy(bias, 0, y[row], 0, bias.length);
            }
            for (int from = 0; from < rows; from += ROWS) {
                int to = Math.min(rows, from + ROWS);
                for (int i = 0; i < weights.length; i += 4) {
                    int end = Math.min(i + 4, weights.length);
                    for (int row = from; row < to; row++) {
                        addScaledRows(x[row], i, weights, i, end, y[row], bias.length);
                    }
                }
            }
        }
    }
}
