/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import java.util.List;
import java.util.Random;

/**
 * The first coordinates of vectors in another orthonormal basis, one in which these say most about the whole: the
 * directions in which a sample of the vectors extends furthest. Angles do not depend on the basis, so a bad one makes a
 * search slow and never wrong. Immutable, thread-safe.
 */
final class Rotation {
    /** Coordinates the first pass of a scan looks at. */
    static final int HEAD = 32;
    /** Coordinates the second pass looks at. */
    static final int NECK = 64;
    /** Both together. */
    static final int WIDTH = HEAD + NECK;
    /** Vectors a basis is learned from. */
    static final int SAMPLE = 512;

    private static final int ITERATIONS = 8;
    private static final long SEED = 42;
    /** More than all rounding in floats can take from the length of what is left out. */
    private static final double ROUNDING = 1e-5;

    private final int dimension;
    /** [dimension][WIDTH]: by coordinate of the original vector, so that a rotation is a sum of rows. */
    private final float[] basis;

    private Rotation(int dimension, float[] basis) {
        this.dimension = dimension;
        this.basis = basis;
    }

    /** {@return the basis the vectors come in} */
    static Rotation none(int dimension) {
        float[] basis = new float[dimension * WIDTH];
        for (int i = 0; i < Math.min(dimension, WIDTH); i++) {
            basis[i * WIDTH + i] = 1;
        }
        return new Rotation(dimension, basis);
    }

    /** {@return the directions in which these vectors extend furthest, by subspace iteration} */
    static Rotation learn(int dimension, List<float[]> sample) {
        int width = Math.min(WIDTH, dimension);
        Random random = new Random(SEED);
        double[][] vectors = sample.stream().map(Rotation::widened).toArray(double[][]::new);
        double[][] directions = new double[width][dimension];
        for (double[] direction : directions) {
            for (int i = 0; i < dimension; i++) {
                direction[i] = random.nextGaussian();
            }
        }
        orthonormalise(directions);
        for (int iteration = 0; iteration < ITERATIONS; iteration++) {
            double[][] next = new double[width][dimension];
            for (double[] vector : vectors) {
                for (int k = 0; k < width; k++) {
                    double along = dot(vector, directions[k]);
                    for (int i = 0; i < dimension; i++) {
                        next[k][i] += along * vector[i];
                    }
                }
            }
            for (int k = 0; k < width; k++) {
                for (int i = 0; i < dimension; i++) {
                    next[k][i] += 1e-9 * directions[k][i]; // keeps the rank when the sample has less
                }
            }
            orthonormalise(next);
            directions = next;
        }
        float[] basis = new float[dimension * WIDTH];
        for (int k = 0; k < width; k++) {
            for (int i = 0; i < dimension; i++) {
                basis[i * WIDTH + k] = (float) directions[k][i];
            }
        }
        return new Rotation(dimension, basis);
    }

    private static double[] widened(float[] vector) {
        double[] wide = new double[vector.length];
        for (int i = 0; i < vector.length; i++) {
            wide[i] = vector[i];
        }
        return wide;
    }

    /** Gram and Schmidt, twice, which is enough for any input that has the rank. */
    private static void orthonormalise(double[][] directions) {
        for (int pass = 0; pass < 2; pass++) {
            for (int k = 0; k < directions.length; k++) {
                for (int other = 0; other < k; other++) {
                    double along = dot(directions[k], directions[other]);
                    for (int i = 0; i < directions[k].length; i++) {
                        directions[k][i] -= along * directions[other][i];
                    }
                }
                double length = Math.sqrt(dot(directions[k], directions[k]));
                if (length < 1e-12) {
                    directions[k][k] += 1;
                    length = Math.sqrt(dot(directions[k], directions[k]));
                }
                for (int i = 0; i < directions[k].length; i++) {
                    directions[k][i] /= length;
                }
            }
        }
    }

    /** Four sums, because one would wait for each addition before the next. */
    private static double dot(double[] a, double[] b) {
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        int i = 0;
        for (; i + 3 < a.length; i += 4) {
            s0 += a[i] * b[i];
            s1 += a[i + 1] * b[i + 1];
            s2 += a[i + 2] * b[i + 2];
            s3 += a[i + 3] * b[i + 3];
        }
        for (; i < a.length; i++) {
            s0 += a[i] * b[i];
        }
        return s0 + s1 + (s2 + s3);
    }

    int dimension() {
        return dimension;
    }

    /** {@return the first {@link #WIDTH} coordinates of a unit vector in this basis, and how much is left out} */
    Rotated rotate(float[] vector) {
        float[] rotated = new float[WIDTH];
        int i = 0;
        for (; i + 3 < dimension; i += 4) {
            addFour(rotated, vector, i);
        }
        for (; i < dimension; i++) {
            for (int k = 0; k < WIDTH; k++) {
                rotated[k] += vector[i] * basis[i * WIDTH + k];
            }
        }
        return new Rotated(rotated, rest(rotated, HEAD), rest(rotated, WIDTH));
    }

    /** Four rows at a time take three quarters of the time of one by one: the sums are read and written less often. */
    private void addFour(float[] rotated, float[] vector, int i) {
        float v0 = vector[i];
        float v1 = vector[i + 1];
        float v2 = vector[i + 2];
        float v3 = vector[i + 3];
        int row = i * WIDTH;
        for (int k = 0; k < WIDTH; k++) {
            rotated[k] += v0 * basis[row + k]
                    + v1 * basis[row + WIDTH + k]
                    + v2 * basis[row + 2 * WIDTH + k]
                    + v3 * basis[row + 3 * WIDTH + k];
        }
    }

    /** An upper bound of the length of what follows the first coordinates of a unit vector. */
    private static float rest(float[] rotated, int coordinates) {
        double left = 1;
        for (int k = 0; k < coordinates; k++) {
            left -= (double) rotated[k] * rotated[k];
        }
        return (float) Math.sqrt(Math.max(0, left) + ROUNDING);
    }

    /**
     * A rotated vector.
     *
     * @param values its first coordinates
     * @param afterHead the length of the rest after {@link #HEAD} coordinates, rounded up
     * @param afterNeck the length of the rest after all of them, rounded up
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Rotated(float[] values, float afterHead, float afterNeck) {}
}
