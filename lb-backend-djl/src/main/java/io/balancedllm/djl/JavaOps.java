/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.djl;

/** The arithmetic of {@link JavaKernel}; rows are [row][column]. */
final class JavaOps {
    private JavaOps() {}

    static void add(float[][] target, float[][] term) {
        for (int row = 0; row < target.length; row++) {
            float[] to = target[row];
            float[] from = term[row];
            for (int i = 0; i < to.length; i++) {
                to[i] += from[i];
            }
        }
    }

    static void addScaled(float[] target, float factor, float[] source, int offset, int count) {
        for (int i = 0; i < count; i++) {
            target[i] += factor * source[offset + i];
        }
    }

    /** Replaces scores by the softmax of their multiples. */
    static void softmax(float[] scores, float scale) {
        float greatest = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < scores.length; i++) {
            scores[i] *= scale;
            greatest = Math.max(greatest, scores[i]);
        }
        float sum = 0;
        for (int i = 0; i < scores.length; i++) {
            scores[i] = (float) Math.exp(scores[i] - greatest);
            sum += scores[i];
        }
        float inverse = 1 / sum;
        for (int i = 0; i < scores.length; i++) {
            scores[i] *= inverse;
        }
    }

    /** Adds to {@code result[offset ..]} the rows of {@code values}, each times its weight. */
    static void weightedSum(float[] weights, float[] values, int offset, int stride, float[] result, int count) {
        for (int row = 0; row < weights.length; row++) {
            float weight = weights[row];
            int start = row * stride + offset;
            for (int i = 0; i < count; i++) {
                result[offset + i] += weight * values[start + i];
            }
        }
    }

    static void activate(Activation activation, float[][] rows) {
        for (float[] row : rows) {
            for (int i = 0; i < row.length; i++) {
                row[i] = activate(activation, row[i]);
            }
        }
    }

    private static float activate(Activation activation, float x) {
        return switch (activation) {
            case GELU_TANH -> {
                double inner = Activation.GELU_SLOPE * (x + Activation.GELU_CUBIC * x * x * x);
                yield (float) (x / (1 + Math.exp(-inner)));
            }
            case GELU_EXACT -> (float) (0.5 * x * (1 + errorFunction(x / Math.sqrt(2))));
            case RELU -> Math.max(x, 0);
        };
    }

    /** The error function to 1.2e-7, by Numerical Recipes' Chebyshev fit of erfc (Press et al., section 6.2). */
    static double errorFunction(double x) {
        double t = 1 / (1 + 0.5 * Math.abs(x));
        double series = -1.26551223
                + t
                        * (1.00002368
                                + t
                                        * (0.37409196
                                                + t
                                                        * (0.09678418
                                                                + t
                                                                        * (-0.18628806
                                                                                + t
                                                                                        * (0.27886807
                                                                                                + t
                                                                                                        * (-1.13520398
                                                                                                                + t
                                                                                                                        * (1.48851587
                                                                                                                                + t
                                                                                                                                        * (-0.82215223
                                                                                                                                                + t
                                                                                                                                                        * 0.17087277))))))));
        double complement = t * Math.exp(-x * x + series);
        return x >= 0 ? 1 - complement : complement - 1;
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

        void apply(float[][] from, float[][] to) {
            for (int row = 0; row < from.length; row++) {
                applyRow(from[row], to[row]);
            }
        }

        private void applyRow(float[] from, float[] to) {
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
        private final float[] weights;
        private final float[] bias;

        Linear(Checkpoint checkpoint, String name) {
            this(
                    checkpoint.tensor(name + ".weight").floats(),
                    checkpoint.tensor(name + ".bias").floats());
        }

        private Linear(float[] weights, float[] bias) {
            this.weights = weights;
            this.bias = bias;
        }

        /** {@return the matrix [out, in] turned over, without a bias} */
        static Linear transposed(Tensor matrix) {
            int out = Math.toIntExact(matrix.shape()[0]);
            int in = Math.toIntExact(matrix.shape()[1]);
            float[] source = matrix.floats();
            float[] turned = new float[source.length];
            for (int row = 0; row < out; row++) {
                for (int column = 0; column < in; column++) {
                    turned[column * out + row] = source[row * in + column];
                }
            }
            return new Linear(turned, new float[out]);
        }

        /** Row by row: two rows at a time, and all rows per four rows of weights, were measured and are no faster. */
        void apply(float[][] from, float[][] to) {
            for (int row = 0; row < from.length; row++) {
                apply(from[row], to[row]);
            }
        }

        private void apply(float[] x, float[] y) {
            int out = bias.length;
            System.arraycopy(bias, 0, y, 0, out);
            int i = 0;
            for (; i + 3 < x.length; i += 4) {
                addFour(x, i, y, out);
            }
            for (; i < x.length; i++) {
                addScaled(y, x[i], weights, i * out, out);
            }
        }

        private void addFour(float[] x, int i, float[] y, int out) {
            float x0 = x[i];
            float x1 = x[i + 1];
            float x2 = x[i + 2];
            float x3 = x[i + 3];
            int w0 = i * out;
            int w1 = w0 + out;
            int w2 = w1 + out;
            int w3 = w2 + out;
            for (int j = 0; j < out; j++) {
                y[j] += x0 * weights[w0 + j] + x1 * weights[w1 + j] + x2 * weights[w2 + j] + x3 * weights[w3 + j];
            }
        }
    }

    static int argMax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) {
                best = i;
            }
        }
        return best;
    }
}
