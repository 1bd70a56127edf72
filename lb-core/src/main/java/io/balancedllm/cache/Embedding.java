/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

/**
 * A text as a point on the unit sphere: the nearer two points, the more alike the texts. Immutable as long as nobody
 * writes to the array; thread-safe.
 */
public final class Embedding {
    private final float[] vector;
    private final boolean truncated;

    private Embedding(float[] vector, boolean truncated) {
        this.vector = vector;
        this.truncated = truncated;
    }

    /**
     * {@return the direction of a vector, which is copied}
     *
     * @param vector any vector with a direction
     * @param truncated whether the model saw only the beginning of the text
     * @throws IllegalArgumentException when the vector is empty, all zero, or holds a value that is not finite
     */
    public static Embedding of(float[] vector, boolean truncated) {
        double squares = 0;
        for (float value : vector) {
            squares += (double) value * value;
        }
        if (!Double.isFinite(squares) || squares == 0) {
            throw new IllegalArgumentException("an embedding must be finite and not zero, got " + vector.length
                    + " values with the square norm " + squares);
        }
        double scale = 1 / Math.sqrt(squares);
        float[] unit = new float[vector.length];
        for (int i = 0; i < unit.length; i++) {
            unit[i] = (float) (vector[i] * scale);
        }
        return new Embedding(unit, truncated);
    }

    /** {@return the vector, of length 1; the array is shared, do not write to it} */
    public float[] vector() {
        return vector;
    }

    /** {@return how many values the vector has} */
    public int dimension() {
        return vector.length;
    }

    /**
     * {@return whether the model saw only the beginning of the text} Two long texts with the same beginning then look
     * equal, so such a text is never cached by meaning.
     */
    public boolean truncated() {
        return truncated;
    }

    /** {@return the cosine of the angle between two embeddings of the same dimension, -1 to 1} */
    public double similarity(Embedding other) {
        if (other.vector.length != vector.length) {
            throw new IllegalArgumentException(
                    "embeddings of dimension " + vector.length + " and " + other.vector.length + " do not compare");
        }
        double dot = 0;
        for (int i = 0; i < vector.length; i++) {
            dot += (double) vector[i] * other.vector[i];
        }
        return Math.max(-1, Math.min(1, dot));
    }

    @Override
    public String toString() {
        return "Embedding{dimension=" + vector.length + (truncated ? ", truncated" : "") + "}";
    }
}
