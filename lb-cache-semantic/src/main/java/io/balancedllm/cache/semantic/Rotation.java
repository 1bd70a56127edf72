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
    /** Keeps the rank when the sample has less. */
    private static final double RANK = 1e-9;

    private static final long SEED = 42;
    /** More than all rounding in floats can take from the length of what is left out. */
    private static final double ROUNDING = 1e-5;

    private final int dimension;
    /** [dimension][WIDTH]: by coordinate of the original vector, so that a rotation is a sum of rows; empty for none. */
    private final float[][] basis;

    private Rotation(int dimension, float[][] basis) {
        this.dimension = dimension;
        this.basis = basis;
    }

    /** {@return the basis the vectors come in} */
    static Rotation none(int dimension) {
        return new Rotation(dimension, new float[0][]);
    }

    /**
     * {@return the directions in which these vectors extend furthest} By subspace iteration on their second moments: a sum
     * over the vectors once, and then rounds whose cost does not depend on how many there are.
     */
    static Rotation learn(int dimension, List<float[]> sample) {
        int width = Math.min(WIDTH, dimension);
        Random random = new Random(SEED);
        double[][] moments = moments(dimension, sample);
        double[][] directions = new double[width][dimension];
        for (double[] direction : directions) {
            for (int i = 0; i < dimension; i++) {
                direction[i] = random.nextGaussian();
            }
        }
        for (int iteration = 0; iteration < ITERATIONS; iteration++) {
            orthonormalise(directions);
            double[][] next = new double[width][dimension];
            for (int k = 0; k < width; k++) {
                double[] direction = directions[k];
                for (int i = 0; i < dimension; i++) {
                    add(next[k], direction[i], moments[i]);
                }
                add(next[k], RANK, direction);
            }
            directions = next;
        }
        orthonormalise(directions);
        orthonormalise(directions); // twice is enough for any input that has the rank
        float[][] basis = new float[dimension][WIDTH];
        for (int k = 0; k < width; k++) {
            for (int i = 0; i < dimension; i++) {
                basis[i][k] = (float) directions[k][i];
            }
        }
        return new Rotation(dimension, basis);
    }

    /** {@return for each two coordinates the sum of their products} */
    private static double[][] moments(int dimension, List<float[]> sample) {
        double[][] moments = new double[dimension][dimension];
        double[] wide = new double[dimension];
        for (float[] vector : sample) {
            for (int i = 0; i < dimension; i++) {
                wide[i] = vector[i];
            }
            for (int i = 0; i < dimension; i++) {
                add(moments[i], wide[i], wide);
            }
        }
        return moments;
    }

    /** Gram and Schmidt. */
    private static void orthonormalise(double[][] directions) {
        for (int k = 0; k < directions.length; k++) {
            double[] direction = directions[k];
            for (int other = 0; other < k; other++) {
                add(direction, -dot(direction, directions[other]), directions[other]);
            }
            double length = Math.sqrt(dot(direction, direction));
            if (length < 1e-12) {
                direction[k] += 1;
                length = Math.sqrt(dot(direction, direction));
            }
            for (int i = 0; i < direction.length; i++) {
                direction[i] /= length;
            }
        }
    }

    /** A loop that the compiler turns into one over vectors of the processor, which a sum of products is not. */
    private static void add(double[] to, double times, double[] from) {
        for (int i = 0; i < to.length; i++) {
            to[i] += times * from[i];
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
        if (basis.length == 0) {
            System.arraycopy(vector, 0, rotated, 0, Math.min(dimension, WIDTH));
            return rotated(rotated);
        }
        int i = 0;
        for (; i + 3 < dimension; i += 4) {
            FourRows.add(rotated, WIDTH, basis, vector, i);
        }
        for (; i < dimension; i++) {
            for (int k = 0; k < WIDTH; k++) {
                rotated[k] += vector[i] * basis[i][k];
            }
        }
        return rotated(rotated);
    }

    private static Rotated rotated(float[] values) {
        return new Rotated(values, rest(values, HEAD), rest(values, WIDTH));
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
